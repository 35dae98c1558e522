# NATS with JetStream, built from the version in go.mod. Part of scripts/backends, which describes the variables.
# shellcheck shell=bash disable=SC2154 # the variables of scripts/backends

nats_module=github.com/nats-io/nats-server/v2

find_nats() {
	local version
	version=$(cd "$here" && go list -m -f '{{.Version}}' "$nats_module" 2>>"$log") || return 1
	nats_server=$here/../bin/nats-server-$version
	[ -x "$nats_server" ]
}

get_nats() {
	local built
	command -v go >/dev/null || { echo "it is built with Go, which is not on PATH" >>"$log" && return 1; }
	[ -n "${nats_server:-}" ] || return 1
	say "building ${nats_server##*/}"
	mkdir -p "${nats_server%/*}"
	built=$(mktemp "$nats_server.XXXXXX")
	if ! (cd "$here" && CGO_ENABLED=0 GOOS='' GOARCH='' go build -trimpath -o "$built" "$nats_module") >>"$log" 2>&1; then
		rm -f "$built"
		return 1
	fi
	chmod 755 "$built" && mv "$built" "$nats_server"
}

offer_nats() { offer CARILLON_TEST_NATS_SERVER "$(cd "${nats_server%/*}" && pwd)/${nats_server##*/}"; }

configure_nats() {
	(umask 077 && cat >"$node/nats.conf") <<-END
		server_name: "${node##*/}"
		listen: "127.0.0.1:$port"
		authorization { user: "carillon", password: "$password" }
		jetstream { store_dir: "$node/data", sync_interval: always }
	END
}

boot_nats() { daemon '' "$nats_server" --config "$node/nats.conf"; }

ready_nats() { grep -q 'Server is ready' "$node.log"; }

address_nats() { echo "nats://carillon:$password@127.0.0.1:$port"; }

version_nats() { "$nats_server" --version | sed 's/.*: v//'; }

provide_nats() { provide_node NATS CARILLON_TEST_NATS; }
