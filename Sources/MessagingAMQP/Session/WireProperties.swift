import CRabbitMQ

/// The properties of a message as AMQP carries them.
struct WireProperties: Sendable, Hashable {
    enum Value: Sendable, Hashable {
        case text(String)
        case integer(Int64)

        var text: String? { if case .text(let text) = self { text } else { nil } }
        var integer: Int64? { if case .integer(let number) = self { number } else { nil } }
    }
    var type = ""
    var messageID = ""
    var correlationID = ""
    var replyTo = ""
    /// Milliseconds in the queue after which the broker drops the message; nil: never.
    var expiration: Int?
    var isPersistent = true
    var headers: [String: Value] = [:]
}

extension WireProperties {
    /// What the library decoded. Headers of other types than text and integers are left out.
    init(_ decoded: amqp_basic_properties_t) {
        func text(_ flag: UInt32, _ bytes: amqp_bytes_t) -> String {
            decoded._flags & flag == 0 ? "" : String(bytes)
        }
        type = text(kilonova_type_flag, decoded.type)
        messageID = text(kilonova_message_id_flag, decoded.message_id)
        correlationID = text(kilonova_correlation_id_flag, decoded.correlation_id)
        replyTo = text(kilonova_reply_to_flag, decoded.reply_to)
        expiration = Int(text(kilonova_expiration_flag, decoded.expiration))
        isPersistent = decoded._flags & kilonova_delivery_mode_flag != 0 && decoded.delivery_mode == 2
        guard decoded._flags & kilonova_headers_flag != 0, let entries = decoded.headers.entries else { return }
        for index in 0..<Int(decoded.headers.num_entries) {
            headers[String(entries[index].key)] = Value(entries[index].value)
        }
    }

    /// Lends the properties as the library wants them for the time of `body`.
    func withNative<Result>(_ body: (UnsafePointer<amqp_basic_properties_t>) -> Result) -> Result {
        let arena = CArena()
        var native = amqp_basic_properties_t()
        native._flags = kilonova_content_type_flag | kilonova_delivery_mode_flag
        native.content_type = arena.bytes("application/json")
        native.delivery_mode = isPersistent ? 2 : 1
        func set(_ value: String, _ flag: UInt32, _ path: WritableKeyPath<amqp_basic_properties_t, amqp_bytes_t>) {
            guard !value.isEmpty else { return }
            native._flags |= flag
            native[keyPath: path] = arena.bytes(value)
        }
        set(type, kilonova_type_flag, \.type)
        set(messageID, kilonova_message_id_flag, \.message_id)
        set(correlationID, kilonova_correlation_id_flag, \.correlation_id)
        set(replyTo, kilonova_reply_to_flag, \.reply_to)
        set(expiration.map(String.init) ?? "", kilonova_expiration_flag, \.expiration)
        if !headers.isEmpty {
            native._flags |= kilonova_headers_flag
            native.headers = arena.table(headers)
        }
        return withExtendedLifetime(arena) { body(&native) }
    }
}

extension WireProperties.Value {
    fileprivate init?(_ field: amqp_field_value_t) {
        switch amqp_field_value_kind_t(UInt32(field.kind)) {
        case AMQP_FIELD_KIND_UTF8, AMQP_FIELD_KIND_BYTES: self = .text(String(field.value.bytes))
        case AMQP_FIELD_KIND_I64: self = .integer(field.value.i64)
        case AMQP_FIELD_KIND_I32: self = .integer(Int64(field.value.i32))
        case AMQP_FIELD_KIND_I16: self = .integer(Int64(field.value.i16))
        case AMQP_FIELD_KIND_I8: self = .integer(Int64(field.value.i8))
        case AMQP_FIELD_KIND_U64: self = .integer(Int64(clamping: field.value.u64))
        case AMQP_FIELD_KIND_U32: self = .integer(Int64(field.value.u32))
        case AMQP_FIELD_KIND_U16: self = .integer(Int64(field.value.u16))
        case AMQP_FIELD_KIND_U8: self = .integer(Int64(field.value.u8))
        case AMQP_FIELD_KIND_BOOLEAN: self = .integer(field.value.boolean != 0 ? 1 : 0)
        default: return nil
        }
    }
}

extension String {
    /// A copy of what the library holds.
    init(_ bytes: amqp_bytes_t) {
        guard let start = bytes.bytes, bytes.len > 0 else {
            self = ""
            return
        }
        self = String(decoding: UnsafeRawBufferPointer(start: start, count: bytes.len), as: UTF8.self)
    }
}

/// Memory for the arguments of one call into the library, freed together.
final class CArena {
    private var blocks: [UnsafeMutableRawPointer] = []

    deinit { for block in blocks { block.deallocate() } }

    private func allocate(_ size: Int, _ alignment: Int) -> UnsafeMutableRawPointer {
        let block = UnsafeMutableRawPointer.allocate(byteCount: max(1, size), alignment: alignment)
        blocks.append(block)
        return block
    }

    /// A text's bytes.
    func bytes(_ text: String) -> amqp_bytes_t {
        var text = text
        return text.withUTF8 { utf8 in
            let block = allocate(utf8.count, 1)
            if let start = utf8.baseAddress { block.copyMemory(from: start, byteCount: utf8.count) }
            return amqp_bytes_t(len: utf8.count, bytes: block)
        }
    }

    /// A table of texts and integers.
    func table(_ values: [String: WireProperties.Value]) -> amqp_table_t {
        guard !values.isEmpty else { return amqp_table_t(num_entries: 0, entries: nil) }
        let entries = allocate(MemoryLayout<amqp_table_entry_t>.stride * values.count, 16)
            .bindMemory(to: amqp_table_entry_t.self, capacity: values.count)
        for (index, item) in values.sorted(by: { $0.key < $1.key }).enumerated() {
            var entry = amqp_table_entry_t()
            entry.key = bytes(item.key)
            switch item.value {
            case .text(let text):
                entry.value.kind = UInt8(AMQP_FIELD_KIND_UTF8.rawValue)
                entry.value.value.bytes = bytes(text)
            case .integer(let number):
                entry.value.kind = UInt8(AMQP_FIELD_KIND_I64.rawValue)
                entry.value.value.i64 = number
            }
            (entries + index).initialize(to: entry)
        }
        return amqp_table_t(num_entries: Int32(values.count), entries: entries)
    }

    /// Properties that a client tells about itself: its name, and what it can.
    func clientProperties(name: String) -> amqp_table_t {
        let able = ["authentication_failure_close", "basic.nack", "connection.blocked", "consumer_cancel_notify",
            "exchange_exchange_bindings", "publisher_confirms"]
        let abilities = allocate(MemoryLayout<amqp_table_entry_t>.stride * able.count, 16)
            .bindMemory(to: amqp_table_entry_t.self, capacity: able.count)
        for (index, key) in able.enumerated() {
            var entry = amqp_table_entry_t()
            entry.key = bytes(key)
            entry.value.kind = UInt8(AMQP_FIELD_KIND_BOOLEAN.rawValue)
            entry.value.value.boolean = 1
            (abilities + index).initialize(to: entry)
        }
        let entries = allocate(MemoryLayout<amqp_table_entry_t>.stride * 2, 16)
            .bindMemory(to: amqp_table_entry_t.self, capacity: 2)
        var title = amqp_table_entry_t()
        title.key = bytes("connection_name")
        title.value.kind = UInt8(AMQP_FIELD_KIND_UTF8.rawValue)
        title.value.value.bytes = bytes(name)
        entries.initialize(to: title)
        var capabilities = amqp_table_entry_t()
        capabilities.key = bytes("capabilities")
        capabilities.value.kind = UInt8(AMQP_FIELD_KIND_TABLE.rawValue)
        capabilities.value.value.table = amqp_table_t(num_entries: Int32(able.count), entries: abilities)
        (entries + 1).initialize(to: capabilities)
        return amqp_table_t(num_entries: 2, entries: entries)
    }
}
