#!/bin/sh
# The least that each service needs of a Kafka whose brokers ask for rights (docs/security.md). Adjust the first lines, then
# run it once for every election; running it again changes nothing. Everything that is not named here is refused.
set -eu
: "${BOOTSTRAP:?host:port of a broker}" "${ADMIN:?properties file of a user who may change rights}"
: "${ELECTION:?id in the definition}" "${ENVIRONMENT:?live, test or simulation}"

EVENTS="tallyroom.$ELECTION.$ENVIRONMENT.events"
QUARANTINE="tallyroom.$ELECTION.$ENVIRONMENT.quarantine"
TABULATORS="tallyroom.$ELECTION.$ENVIRONMENT.tabulator"

allow() {
  user=$1
  shift
  kafka-acls.sh --bootstrap-server "$BOOTSTRAP" --command-config "$ADMIN" --add --allow-principal "User:$user" "$@"
}

# `tallyroom topics create`: once, before the night.
allow tallyroom-topics --operation Create --operation Describe --topic "$EVENTS"
allow tallyroom-topics --operation Create --operation Describe --topic "$QUARANTINE"

# Producers, replay, publish: they write events and read nothing. One user for each source.
allow tallyroom-producer --operation Write --operation Describe --topic "$EVENTS"

# Tabulators: read events, write what they refuse, and form one group. They cannot write an event. `tallyroom rebuild` runs as this
# user: by another definition it refuses other records, and writes them to the quarantine.
allow tallyroom-tabulator --operation Read --operation Describe --topic "$EVENTS"
allow tallyroom-tabulator --operation Write --operation Describe --topic "$QUARANTINE"
allow tallyroom-tabulator --operation Read --group "$TABULATORS"

# The publisher asks how far the log has come, and reads no record.
allow tallyroom-publisher --operation Describe --topic "$EVENTS"

# The auditor and `tallyroom record`, `verify`, `explain`: read everything, write nothing.
allow tallyroom-auditor --operation Read --operation Describe --topic "$EVENTS"
allow tallyroom-auditor --operation Read --operation Describe --topic "$QUARANTINE"

# The desk (`tallyroom quarantine`, `desk`, `unit`, `amend`): reads events and what was refused, writes its acts as events.
# `tallyroom returns` runs as this user too.
allow tallyroom-desk --operation Read --operation Write --operation Describe --topic "$EVENTS"
allow tallyroom-desk --operation Read --operation Describe --topic "$QUARANTINE"

# Gateways have no user: they never speak to Kafka.
