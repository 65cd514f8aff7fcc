#!/usr/bin/env bash
# One RabbitMQ of its own, for tests, in the foreground: this process becomes the broker.
#
#   broker.sh DIRECTORY PORT DISTRIBUTION_PORT EPMD_PORT [TLS_PORT CA CERTIFICATE KEY]
#
# Everything is kept below DIRECTORY. A port mapper of its own must listen on EPMD_PORT of 127.0.0.1.
set -euo pipefail
directory=$1
server=/usr/lib/rabbitmq/bin/rabbitmq-server
[ -x "$server" ] || {
    echo "broker.sh: there is no $server; install the package rabbitmq-server." >&2
    exit 69
}
mkdir -p "$directory/home" "$directory/data" "$directory/log"
[ -f "$directory/home/.erlang.cookie" ] || {
    printf 'kilonova-test-%s' "$RANDOM$RANDOM" >"$directory/home/.erlang.cookie"
    chmod 400 "$directory/home/.erlang.cookie"
}
{
    echo "listeners.tcp.1 = 127.0.0.1:$2"
    echo "loopback_users = none"
    echo "log.file.level = warning"
    echo "disk_free_limit.absolute = 50MB"
    echo "heartbeat = 60"
    if [ $# -gt 4 ]; then
        echo "listeners.ssl.1 = 127.0.0.1:$5"
        echo "ssl_options.cacertfile = $6"
        echo "ssl_options.certfile = $7"
        echo "ssl_options.keyfile = $8"
        echo "ssl_options.verify = verify_none"
        echo "ssl_options.fail_if_no_peer_cert = false"
    fi
} >"$directory/rabbitmq.conf"
echo '[].' >"$directory/enabled_plugins"
export HOME=$directory/home LANG=C.UTF-8
export RABBITMQ_NODENAME=kilonova-$2@localhost RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_NODE_PORT=$2
export RABBITMQ_DIST_PORT=$3 ERL_EPMD_PORT=$4 ERL_EPMD_ADDRESS=127.0.0.1
export RABBITMQ_MNESIA_BASE=$directory/data RABBITMQ_LOG_BASE=$directory/log
export RABBITMQ_CONFIG_FILE=$directory/rabbitmq.conf RABBITMQ_ENABLED_PLUGINS_FILE=$directory/enabled_plugins
export RABBITMQ_CONF_ENV_FILE=$directory/none RABBITMQ_PID_FILE=$directory/broker.pid
export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}"
# Fewer schedulers: tests share the machine. Under a service manager's rules the script replaces itself by the broker.
export RABBITMQ_SCHEDULER_BIND_TYPE=u ERL_FLAGS="+S 2:2" RUNNING_UNDER_SYSTEMD=1
cd "$directory"
exec "$server"
