#ifndef KILONOVA_CRABBITMQ_SHIM_H
#define KILONOVA_CRABBITMQ_SHIM_H

#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#include <sys/eventfd.h>
#include <sys/time.h>

// Swift sees neither macros with casts nor functions of a variable number of arguments.

static const uint32_t kilonova_basic_deliver = AMQP_BASIC_DELIVER_METHOD;
static const uint32_t kilonova_basic_return = AMQP_BASIC_RETURN_METHOD;
static const uint32_t kilonova_basic_ack = AMQP_BASIC_ACK_METHOD;
static const uint32_t kilonova_basic_nack = AMQP_BASIC_NACK_METHOD;
static const uint32_t kilonova_basic_cancel = AMQP_BASIC_CANCEL_METHOD;
static const uint32_t kilonova_channel_close = AMQP_CHANNEL_CLOSE_METHOD;
static const uint32_t kilonova_connection_close = AMQP_CONNECTION_CLOSE_METHOD;
static const uint32_t kilonova_connection_blocked = AMQP_CONNECTION_BLOCKED_METHOD;
static const uint32_t kilonova_connection_unblocked = AMQP_CONNECTION_UNBLOCKED_METHOD;

static const uint32_t kilonova_content_type_flag = AMQP_BASIC_CONTENT_TYPE_FLAG;
static const uint32_t kilonova_headers_flag = AMQP_BASIC_HEADERS_FLAG;
static const uint32_t kilonova_delivery_mode_flag = AMQP_BASIC_DELIVERY_MODE_FLAG;
static const uint32_t kilonova_correlation_id_flag = AMQP_BASIC_CORRELATION_ID_FLAG;
static const uint32_t kilonova_reply_to_flag = AMQP_BASIC_REPLY_TO_FLAG;
static const uint32_t kilonova_expiration_flag = AMQP_BASIC_EXPIRATION_FLAG;
static const uint32_t kilonova_message_id_flag = AMQP_BASIC_MESSAGE_ID_FLAG;
static const uint32_t kilonova_timestamp_flag = AMQP_BASIC_TIMESTAMP_FLAG;
static const uint32_t kilonova_type_flag = AMQP_BASIC_TYPE_FLAG;

/// Logs in with user and password.
static inline amqp_rpc_reply_t kilonova_amqp_login(
    amqp_connection_state_t state, const char *vhost, int frame_max, int heartbeat,
    const amqp_table_t *properties, const char *user, const char *password)
{
    return amqp_login_with_properties(
        state, vhost, 0, frame_max, heartbeat, properties, AMQP_SASL_METHOD_PLAIN, user, password);
}

#endif
