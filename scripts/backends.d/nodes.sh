# Nodes: the brokers, which tests may also have for themselves, to kill. Part of scripts/backends, which describes the variables.
# shellcheck shell=bash disable=SC2034,SC2154 # the variables of scripts/backends
#
# A node has a kind and a name, the directory $directory/KIND-NAME, and up to four ports from the one in its file port. A kind is
# a file with these functions; the last five find the node's directory in $node and its first port in $port:
#   find_KIND         find the programs, without installing any; fails if there are none
#   get_KIND          install them
#   offer_KIND        offer the variables that name them
#   configure_KIND    write the files of a new node
#   boot_KIND         begin to start it, by `daemon`
#   ready_KIND        whether it serves
#   address_KIND      what clients connect to
#   version_KIND      for people

# daemon USER COMMAND...: run the node's server, as the user if one is named, in the node's directory and a process group of its own,
# so that what interrupts the tests does not interrupt it.
daemon() {
	local user=$1
	shift
	[ -z "$user" ] || set -- setpriv --reuid="$user" --regid="$user" --init-groups -- "$@"
	: >"$node.log" # before anybody looks in it for signs of readiness
	(cd "$node" && set -m && { "$@" </dev/null >>"$node.log" 2>&1 & echo $! >"$node.pid"; })
}

# free PORT...: whether nobody listens there
free() {
	local port
	for port in "$@"; do
		! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || return 1
	done
}

# launch starts the node and returns once it serves, or fails when it has ended or after two minutes.
launch() {
	local tenths
	"boot_$kind" || return 1
	for ((tenths = 0; tenths < 1200; tenths++)); do
		! "ready_$kind" || return 0
		kill -0 "$(cat "$node.pid")" 2>/dev/null || break
		sleep 0.1
	done
	end "$node.pid" KILL
	tail -n 5 "$node.log"
	return 1
}

# create PORT: make the node there, and start it
create() {
	free "$1" $(($1 + 1)) $(($1 + 2)) $(($1 + 3)) || return 1
	rm -rf "$node"
	mkdir "$node" && echo "$1" >"$node/port" && "configure_$kind" && launch
}

# start_node: a new one where one can listen, a known one where it was; one that runs is left as it is
start_node() {
	[ -d "$node" ] || { listen create; return; }
	port=$(cat "$node/port")
	! ours "$(cat "$node.pid" 2>/dev/null)" || ! "ready_$kind" || return 0
	launch >>"$log" 2>&1
}

# node KIND ACTION NAME: what the *_NODE programs do
node() {
	kind=$1 node=$directory/$1-$3 log=$directory/$1-$3.start.log
	password=$(cat "$directory/password")
	case $3 in '' | main | *[!a-z0-9]*) say "a node's name is of a-z and 0-9, and main is not for tests: $3" && exit 2 ;; esac
	case $2 in
	start)
		"find_$kind" || { say "$kind is gone"; exit 1; }
		start_node || { say "$kind $3 did not start: $(why)"; exit 1; }
		"address_$kind"
		;;
	pid) cat "$node.pid" ;;
	kill) end "$node.pid" KILL ;;
	stop) end "$node.pid" TERM ;;
	remove)
		end "$node.pid" KILL
		end "$node.helper.pid" KILL
		rm -rf "$node" "$node".*
		;;
	*) say "usage: start NAME | pid NAME | kill NAME | stop NAME | remove NAME" && exit 2 ;;
	esac
}

# provide_node TITLE VARIABLE: the node of all tests
provide_node() {
	local control=$directory/control-$backend
	kind=$backend node=$directory/$backend-main
	if [ -z "${!2:-}" ] && ! "find_$kind"; then
		{ "get_$kind" && "find_$kind"; } || { skip "$1" "$(why)"; return 0; }
	fi
	if "find_$kind"; then
		"offer_$kind"
		printf '#!/bin/sh\nexec %q node %q %q "$@"\n' "$here/backends" "$directory" "$kind" >"$control"
		chmod 755 "$control"
		offer "${2}_NODE" "$control"
	fi
	[ -z "${!2:-}" ] || { say "$1 is that of $2"; return 0; }
	start_node || { skip "$1" "it did not start: $(why)"; return 0; }
	offer "$2" "$("address_$kind")"
	say "$1 $("version_$kind") on 127.0.0.1:$port"
}
