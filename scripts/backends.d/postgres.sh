# PostgreSQL, and PgBouncer before it. Part of scripts/backends, which describes the variables.
# shellcheck shell=bash disable=SC2154 # the variables of scripts/backends

# unprivileged COMMAND...: run as the user PostgreSQL may run as
unprivileged() {
	[ -n "$postgres_user" ] || { "$@"; return; }
	(cd / && exec setpriv --reuid="$postgres_user" --regid="$postgres_user" --init-groups -- "$@")
}

# url PORT
url() { echo "postgres://carillon:$password@127.0.0.1:$1/carillon?sslmode=disable"; }

# find_postgres sets binaries to the directory of the server's programs: those on PATH, else the newest, else nothing.
find_postgres() {
	local candidate
	binaries=''
	for candidate in $(printf '%s\n' /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql@*/bin | sort -V) \
		"$(dirname "$(readlink -f "$(type -P initdb)" 2>/dev/null)")"; do
		[ ! -x "$candidate/initdb" ] || [ ! -x "$candidate/psql" ] || binaries=$candidate
	done
}

# initialise makes a cluster that sorts text as production does, by language, where its programs can.
initialise() {
	mkdir "$servers" && chmod 700 "$servers" && echo "$password" >"$servers/password" || return 1
	[ -z "$postgres_user" ] || chown -R "$postgres_user:" "$servers" || return 1
	set -- --no-sync --encoding=UTF8 --locale=C --auth=scram-sha-256 --username=carillon --pwfile="$servers/password" -D "$data"
	unprivileged "$binaries/initdb" "$@" --locale-provider=icu --icu-locale=en-US || unprivileged "$binaries/initdb" "$@" || return 1
	ln -s "$data/postmaster.pid" "$directory/postgres.pid" && ln -s "$servers/pgbouncer.pid" "$directory/pgbouncer.pid" || return 1
	cat >>"$data/postgresql.conf" <<-END
		listen_addresses = '127.0.0.1'
		unix_socket_directories = '$servers'
		max_connections = 200
		fsync = on
		synchronous_commit = on
	END
}

start_postgres() { unprivileged "$binaries/pg_ctl" start -w -D "$data" -l "$servers/postgres.log" -o "-p $1"; }

# start_pgbouncer knows its own by the password: another server may have the port.
start_pgbouncer() {
	echo "\"carillon\" \"$password\"" >"$servers/users.txt"
	cat >"$servers/pgbouncer.ini" <<-END
		[databases]
		* = host=127.0.0.1 port=$postgres_port
		[pgbouncer]
		listen_addr = 127.0.0.1
		listen_port = $1
		unix_socket_dir =
		auth_type = scram-sha-256
		auth_file = $servers/users.txt
		pool_mode = transaction
		default_pool_size = 20
		max_client_conn = 500
		logfile = $servers/pgbouncer.log
		pidfile = $servers/pgbouncer.pid
	END
	unprivileged pgbouncer -q -d "$servers/pgbouncer.ini" || return 1
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		! PGPASSWORD=$password "$binaries/psql" -X -h 127.0.0.1 -p "$1" -U carillon -d carillon -c 'SELECT 1' || return 0
		sleep 0.2
	done
	end "$servers/pgbouncer.pid" KILL
	return 1
}

provide_pgbouncer() {
	[ -z "${CARILLON_TEST_PGBOUNCER:-}" ] || { say "PgBouncer is that of CARILLON_TEST_PGBOUNCER"; return 0; }
	[ -n "$postgres_port" ] || { skip PgBouncer "it goes with a PostgreSQL started here, or set CARILLON_TEST_PGBOUNCER"; return 0; }
	type -P pgbouncer >/dev/null || package pgbouncer || { skip PgBouncer "$(why)"; return 0; }
	listen start_pgbouncer || { skip PgBouncer "it did not start: $(why)"; return 0; }
	offer CARILLON_TEST_PGBOUNCER "$(url "$port")"
	say "$(pgbouncer --version | head -n 1) on 127.0.0.1:$port"
}

provide_cluster() {
	find_postgres
	if [ -z "${CARILLON_TEST_POSTGRES:-}" ] && [ -z "$binaries" ]; then
		package postgresql || { skip PostgreSQL "$(why)"; return 0; }
		find_postgres
	fi
	[ -z "$binaries" ] || { offer CARILLON_TEST_PGBIN "$binaries" && offer CARILLON_TEST_PGUSER "$postgres_user"; }
	[ -z "${CARILLON_TEST_POSTGRES:-}" ] || { say "PostgreSQL is that of CARILLON_TEST_POSTGRES"; return 0; }
	if ! initialise >>"$log" 2>&1 || ! listen start_postgres ||
		! PGPASSWORD=$password "$binaries/createdb" -h 127.0.0.1 -p "$port" -U carillon carillon >>"$log" 2>&1; then
		skip PostgreSQL "it did not start: $(why)"
		return 0
	fi
	postgres_port=$port
	offer CARILLON_TEST_POSTGRES "$(url "$port")"
	offer CARILLON_TEST_PGDATA "$data"
	say "$("$binaries/postgres" --version) on 127.0.0.1:$port"
}

provide_postgres() {
	postgres_user=$(system_user postgres) postgres_port='' servers=$directory/postgres data=$directory/postgres/data
	provide_cluster
	provide_pgbouncer
}
