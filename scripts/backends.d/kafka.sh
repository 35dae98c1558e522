# Kafka: one broker that is its own controller. Part of scripts/backends, which describes the variables.
# shellcheck shell=bash disable=SC2154 # the variables of scripts/backends
#
# kafka.pom.xml names the version, and kafka.sha256 every jar there is then. To move to another version, change the first, let
# `mvn -f kafka.pom.xml dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=DIRECTORY` fetch the jars, and make the
# second by `sha256sum *.jar` there.

kafka_version=$(sed -n 's:^  <version>\(.*\)</version>$:\1:p' "$here/backends.d/kafka.pom.xml")
kafka_home=${XDG_CACHE_HOME:-$HOME/.cache}/carillon/kafka-$kafka_version
maven_copy=org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies

# java_runs: whether there is a Java that is new enough
java_runs() { [ "$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p')" -ge 17 ] 2>/dev/null; }

find_kafka() { java_runs && [ -d "$kafka_home" ]; }

# check DIRECTORY: whether it holds the jars that are pinned, and no other
check() {
	(cd "$1" && sha256sum --quiet -c "$here/backends.d/kafka.sha256" && [ "$(find . | grep -c '\.jar$')" = "$(grep -c . "$here/backends.d/kafka.sha256")" ])
}

get_kafka() {
	local fetched
	java_runs || package default-jre-headless || return 1
	[ ! -d "$kafka_home" ] || return 0
	command -v mvn >/dev/null || package maven || return 1
	say "fetching Kafka $kafka_version"
	mkdir -p "${kafka_home%/*}"
	fetched=$(mktemp -d "$kafka_home.XXXXXX")
	if mvn -B -q -f "$here/backends.d/kafka.pom.xml" "$maven_copy" -DincludeScope=runtime -DoutputDirectory="$fetched" >>"$log" 2>&1 &&
		check "$fetched" >>"$log" 2>&1; then
		chmod 755 "$fetched"
		mv -T "$fetched" "$kafka_home" 2>/dev/null || [ -d "$kafka_home" ] || return 1 # another run was faster
	fi
	rm -rf "$fetched"
	[ -d "$kafka_home" ] || { echo "its jars could not be fetched, or are not those of kafka.sha256" >>"$log" && return 1; }
}

offer_kafka() { offer CARILLON_TEST_KAFKA_HOME "$kafka_home"; }

configure_kafka() {
	cat >"$node/kafka.properties" <<-END
		process.roles=broker,controller
		node.id=1
		controller.quorum.bootstrap.servers=127.0.0.1:$((port + 1))
		controller.listener.names=CONTROLLER
		listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
		advertised.listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1))
		log.dirs=$node/data
		auto.create.topics.enable=false
		min.insync.replicas=1
		default.replication.factor=1
		offsets.topic.replication.factor=1
		offsets.topic.num.partitions=8
		transaction.state.log.replication.factor=1
		transaction.state.log.min.isr=1
		transaction.state.log.num.partitions=8
		share.coordinator.state.topic.replication.factor=1
		share.coordinator.state.topic.min.isr=1
		share.coordinator.state.topic.num.partitions=8
		group.initial.rebalance.delay.ms=0
	END
	java -XX:TieredStopAtLevel=1 -cp "$kafka_home/*" kafka.tools.StorageTool format --standalone \
		--cluster-id "$(head -c 16 /dev/urandom | base64 | tr '+/' 'AB' | tr -d '=')" --config "$node/kafka.properties"
}

boot_kafka() {
	daemon '' java -Xms256m -Xmx512m -XX:+UseSerialGC -Dorg.apache.logging.log4j.level=INFO -cp "$kafka_home/*" \
		kafka.Kafka "$node/kafka.properties"
}

ready_kafka() { grep -q 'Kafka Server started' "$node.log"; }

address_kafka() { echo "127.0.0.1:$port"; }

version_kafka() { echo "$kafka_version"; }

provide_kafka() {
	if [ -d "$kafka_home" ] && ! check "$kafka_home" >>"$log" 2>&1; then
		rm -rf "$kafka_home"
	fi
	provide_node Kafka CARILLON_TEST_KAFKA
}
