# RabbitMQ, with a user and a virtual host of its own. Part of scripts/backends, which describes the variables.
# shellcheck shell=bash disable=SC2154 # the variables of scripts/backends

# find_rabbitmq passes by the wrapper Debian has on PATH, which insists on the directories of the system's node.
find_rabbitmq() {
	local candidate
	rabbitmq_server=''
	for candidate in "$(type -P rabbitmq-server)" /opt/homebrew/sbin/rabbitmq-server /usr/lib/rabbitmq/bin/rabbitmq-server; do
		[ ! -x "$candidate" ] || rabbitmq_server=$(readlink -f "$candidate")
	done
	epmd=$(type -P epmd) && [ -n "$rabbitmq_server" ] && rabbitmq_user=$(system_user rabbitmq)
}

get_rabbitmq() { package rabbitmq-server; }

offer_rabbitmq() { :; }

configure_rabbitmq() {
	cat >"$node/rabbitmq.conf" <<-END
		listeners.tcp.local = 127.0.0.1:$port
		default_user = carillon
		default_pass = $password
		default_vhost = carillon
		log.console = true
		log.file = false
		raft.wal_max_size_bytes = 67108864
	END
	echo '[].' >"$node/enabled_plugins"
	echo "$password" >"$node/.erlang.cookie" && chmod 400 "$node/.erlang.cookie" || return 1
	ln -s "$epmd" "$node/epmd" && chmod 700 "$node" || return 1
	[ -z "$rabbitmq_user" ] || chown -R "$rabbitmq_user:" "$node"
}

# boot_rabbitmq gives each node a name service of its own, which outlives the node as the system's does. The plain argument is for
# `ours`, while the server is still a shell script. What says systemd has that script become the server, not wait for it.
boot_rabbitmq() {
	local ERL_EPMD_PORT=$((port + 2)) ERL_EPMD_ADDRESS=127.0.0.1
	export ERL_EPMD_PORT ERL_EPMD_ADDRESS
	ours "$(cat "$node.helper.pid" 2>/dev/null)" ||
		{ daemon "$rabbitmq_user" "$node/epmd" && mv "$node.pid" "$node.helper.pid"; } || return 1
	daemon "$rabbitmq_user" env HOME="$node" RUNNING_UNDER_SYSTEMD=true RABBITMQ_CONF_ENV_FILE="$node/none" \
		RABBITMQ_NODENAME="${node##*/}@localhost" RABBITMQ_NODE_PORT="$port" RABBITMQ_DIST_PORT=$((port + 1)) \
		RABBITMQ_CONFIG_FILE="$node/rabbitmq.conf" RABBITMQ_ENABLED_PLUGINS_FILE="$node/enabled_plugins" \
		RABBITMQ_MNESIA_BASE="$node/mnesia" RABBITMQ_LOG_BASE="$node/log" \
		RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}' \
		"$rabbitmq_server" -carillon "$node/"
}

ready_rabbitmq() { grep -q 'Server startup complete' "$node.log"; }

address_rabbitmq() { echo "amqp://carillon:$password@127.0.0.1:$port/carillon"; }

version_rabbitmq() { sed -n 's/.* Starting RabbitMQ \([^ ]*\) on Erlang \([^ ]*\).*/\1 on Erlang \2/p' "$node.log" | head -n 1; }

provide_rabbitmq() { provide_node RabbitMQ CARILLON_TEST_RABBITMQ; }
