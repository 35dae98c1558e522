# Redis as a system of record: every write flushed, nothing evicted. Part of scripts/backends, which describes the variables.
# shellcheck shell=bash disable=SC2154 # the variables of scripts/backends

find_redis() { redis_server=$(type -P redis-server) && type -P redis-cli >/dev/null; }

get_redis() { package redis-server; }

offer_redis() { offer CARILLON_TEST_REDIS_SERVER "$redis_server"; }

configure_redis() {
	mkdir "$node/data"
	(umask 077 && cat >"$node/redis.conf") <<-END
		bind 127.0.0.1
		port $port
		requirepass $password
		dir "$node/data"
		appendonly yes
		appendfsync always
		save ""
		maxmemory-policy noeviction
		set-proc-title no
	END
}

boot_redis() { daemon '' "$redis_server" "$node/redis.conf"; }

ready_redis() { REDISCLI_AUTH=$password redis-cli -h 127.0.0.1 -p "$port" ping 2>/dev/null | grep -qx PONG; }

address_redis() { echo "redis://:$password@127.0.0.1:$port/0"; }

version_redis() { "$redis_server" --version | sed 's/.* v=//; s/ .*//'; }

provide_redis() { provide_node Redis CARILLON_TEST_REDIS; }
