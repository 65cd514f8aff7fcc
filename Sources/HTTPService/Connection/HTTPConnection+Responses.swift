import Logging

/// Sending answers.
extension HTTPConnection {
    /// The answer of the request's task, all of it.
    func complete(_ response: HTTPResponse, exchange number: UInt64) {
        guard phase == .exchange, exchange.number == number, exchange.answer == .pending else { return }
        send(response)
        processPending()
    }

    /// Writes a response whose body is in memory.
    func send(_ response: HTTPResponse) {
        let response = checked(response)
        let length =
            switch response.body {
            case .bytes(let bytes): bytes.count
            case .buffer(let buffer): buffer.readableBytes
            case .empty, .stream, .file: 0
            }
        writeHead(response, length: length)
        if !exchange.isHead, Self.allowsBody(response.status) {
            switch response.body {
            case .bytes(let bytes): out.writeBytes(bytes)
            case .buffer(let buffer): writeBody(buffer)
            case .empty, .stream, .file: break
            }
            exchange.bodyBytes = length
        }
        finishAnswer()
        if out.readableBytes > Self.outBytesMax { flush() }
    }

    /// Writes the head of a streamed response. False: the answer is complete without a body.
    func beginStream(_ response: HTTPResponse, exchange number: UInt64) -> Bool {
        guard phase == .exchange, exchange.number == number, exchange.answer == .pending else { return false }
        let checked = checked(response)
        guard case .stream(let stream) = checked.body else {
            send(checked)
            processPending()
            return false
        }
        let framing = writeHead(checked, length: stream.length)
        if exchange.isHead || !Self.allowsBody(checked.status) {
            finishAnswer()
            processPending()
            return false
        }
        exchange.answer = .streaming(framing, written: 0)
        // A body of known length is about to follow (a file); one of unknown length may take its time.
        if stream.length == nil { flush() }
        return true
    }

    /// Sends a piece of a streamed body and resumes when the connection can take more.
    func write(_ buffer: ByteBuffer, exchange number: UInt64, then: CheckedContinuation<HTTPBodyError?, Never>) {
        guard phase == .exchange, exchange.number == number, case .streaming(let framing, let written) = exchange.answer
        else {
            then.resume(returning: phase == .closed ? .disconnected : .cancelled)
            return
        }
        let size = buffer.readableBytes
        if case .length(let announced) = framing, written + size > announced {
            then.resume(returning: .wrongLength(announced: announced))
            return
        }
        if size > 0 {
            if framing == .chunked {
                out.writeString(String(size, radix: 16))
                out.writeStaticString("\r\n")
            }
            writeBody(buffer)
            if framing == .chunked { out.writeStaticString("\r\n") }
            exchange.answer = .streaming(framing, written: written + size)
            exchange.bodyBytes += size
            flush()
        }
        if isWritable {
            then.resume(returning: nil)
        } else {
            writers.append(then)
            arm(.now() + core.stallTimeout)
        }
    }

    /// The end of a streamed body. A body that is not whole cuts the connection: the client must not take it for one.
    func endStream(exchange number: UInt64, isWhole: Bool) {
        guard phase == .exchange, exchange.number == number, case .streaming(let framing, let written) = exchange.answer
        else { return }
        if case .length(let announced) = framing, written != announced { return cut() }
        guard isWhole else { return cut() }
        if framing == .chunked { out.writeStaticString("0\r\n\r\n") }
        finishAnswer()
        processPending()
    }

    private func cut() {
        if let request = exchange.request {
            core.logger.warning(
                "response body broken off",
                metadata: ["request.id": "\(request.id)", "path": "\(request.fullPath)"])
        }
        flush()
        close()
    }

    // MARK: Head and end

    private static func allowsBody(_ status: Int) -> Bool { status >= 200 && status != 204 && status != 304 }

    /// The response, or a 500 where it cannot be written as it is.
    private func checked(_ response: HTTPResponse) -> HTTPResponse {
        if 200..<600 ~= response.status, ResponseHead.isWritable(response.headers) { return response }
        core.logger.error(
            "response refused: status or header field cannot be sent",
            metadata: ["status": "\(response.status)", "path": "\(exchange.request?.fullPath ?? "-")"])
        return .refusal(500, "The server made a response that cannot be sent.")
    }

    /// Writes the head; decides about the framing, and whether the connection goes on.
    @discardableResult
    private func writeHead(_ response: HTTPResponse, length: Int?) -> ResponseHead.Framing {
        let framing: ResponseHead.Framing =
            if !Self.allowsBody(response.status) {
                .none
            } else if exchange.isHead, case .empty = response.body,
                let announced = response.headers.first(name: "Content-Length").flatMap({ Int($0) })
            {
                .length(announced)
            } else if let length {
                .length(length)
            } else {
                exchange.isHTTP10 ? .untilClose : .chunked
            }
        let asksClose = response.headers.first(name: "Connection")?.lowercased() == "close"
        exchange.keepsAlive =
            exchange.keepsAlive && !asksClose && !isDraining && framing != .untilClose
            && !((isInputClosed || isInboundBroken) && pending.isEmpty)
            && !exchange.leavesTooMuchUnread(max: core.options.skippedBodyBytesMax)
        exchange.status = response.status
        ResponseHead.write(
            status: response.status, headers: response.headers, framing: framing,
            persistence: exchange.keepsAlive ? (exchange.isHTTP10 ? .keepAlive : .implied) : .close,
            fixed: core.fixedFields.bytes, into: &out)
        return framing
    }

    private func finishAnswer() {
        exchange.answer = .complete
        exchange.task = nil
        record()
        if !exchange.inboundEnded {
            // What the client still sends is skipped.
            exchange.body?.fail(.cancelled)
            exchange.isBodyPaused = false
        }
        settle()
    }

    /// Ends the exchange when both sides of it are over.
    func settle() {
        guard phase == .exchange, exchange.answer == .complete else { return }
        guard exchange.keepsAlive else {
            phase = .lingering
            exchange.isBodyPaused = false
            let isClean = (exchange.inboundEnded || !exchange.hasBody) && exchange.request != nil
            closing = isClean && pending.isEmpty ? .all : .output
            pending.removeAll()
            arm(.now() + Self.lingerTime)
            return
        }
        guard exchange.inboundEnded else {
            if exchange.hasBody { arm(.now() + core.stallTimeout) }
            return
        }
        exchange = Exchange()
        phase = .idle
        if isInputClosed, pending.isEmpty { closing = .all }
        arm(.now() + core.idleTimeout)
    }

    func record() {
        guard let accessLog = core.accessLog else { return }
        let request = exchange.request
        let elapsed = NIODeadline.now() - exchange.startedAt
        accessLog(
            AccessRecord(
                id: request?.id ?? ids.next(), method: request?.method.rawValue ?? "-",
                path: request?.fullPath ?? "-", status: exchange.status, bodyBytes: exchange.bodyBytes,
                duration: .nanoseconds(elapsed.nanoseconds), remoteAddress: facts.remote, listenerTag: listenerTag))
    }

    // MARK: Bytes

    /// Large buffers are not copied: they go out behind what is gathered.
    private func writeBody(_ buffer: ByteBuffer) {
        if buffer.readableBytes <= 4096 {
            out.writeImmutableBuffer(buffer)
        } else {
            pushOut()
            isFlushing = true
            context?.write(wrapOutboundOut(buffer), promise: nil)
            isFlushing = false
        }
    }

    /// Hands what is gathered to the channel, without a system call yet.
    private func pushOut() {
        guard out.readableBytes > 0 else { return }
        isFlushing = true
        context?.write(wrapOutboundOut(out), promise: nil)
        isFlushing = false
        out = ByteBuffer()
    }

    func flushUnlessReading() {
        if !isReading, !isProcessing { flush() }
    }

    /// Writes what is gathered, and closes when that was the last.
    func flush() {
        guard let context, !isFlushing else { return }
        isFlushing = true
        if let closing {
            self.closing = nil
            context.writeAndFlush(wrapOutboundOut(out)).assumeIsolated().whenComplete { [self] _ in end(closing) }
        } else if out.readableBytes > 0 {
            context.writeAndFlush(wrapOutboundOut(out), promise: nil)
        } else {
            context.flush()
        }
        isFlushing = false
        // Written as a rule: then the buffer is ours alone again and its memory is used once more.
        if out.capacity > Self.outBytesKept { out = ByteBuffer() } else { out.clear() }
        if isWritable { resumeWriters(with: nil) }
    }

    private func end(_ mode: CloseMode) {
        switch mode {
        case .output where !isInputClosed: context?.close(mode: .output, promise: nil)
        case .output, .all, .input: close()
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        isWritable = context.channel.isWritable
        if !isFlushing, isWritable {
            resumeWriters(with: nil)
            processPending()
        }
        context.fireChannelWritabilityChanged()
    }

    func resumeWriters(with error: HTTPBodyError?) {
        guard !writers.isEmpty else { return }
        let resumed = writers
        writers = []
        deadline = nil
        for writer in resumed { writer.resume(returning: error) }
    }
}
