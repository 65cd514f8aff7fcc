/// Time-outs. There is one deadline at a time; the timer behind it is left running when the deadline moves away, so
/// that a request costs no timer.
extension HTTPConnection {
    func arm(_ moment: NIODeadline) {
        deadline = moment
        if timer != nil {
            if timerDue <= moment { return }
            timer?.cancel()
        }
        schedule(moment)
    }

    func disarm() {
        deadline = nil
        timer?.cancel()
        timer = nil
    }

    private func schedule(_ moment: NIODeadline) {
        guard let context else { return }
        timerDue = moment
        timer = context.eventLoop.assumeIsolated().scheduleTask(deadline: moment) { [weak self] in self?.timerFired() }
    }

    private func timerFired() {
        timer = nil
        guard let deadline else { return }
        if deadline > .now() {
            schedule(deadline)
        } else {
            self.deadline = nil
            timedOut()
        }
    }

    private func timedOut() {
        switch phase {
        case .idle where isHeadStarted && isWritable:
            refuse(HTTPRefusal(status: 408, message: "The request was not complete in time."))
        case .idle, .lingering: close()
        case .exchange where !writers.isEmpty || exchange.answer == .complete:
            // The client takes nothing, or does not send the rest of a body that is only skipped.
            close()
        case .exchange:
            exchange.body?.fail(.timedOut)
            exchange.keepsAlive = false
        case .closed: break
        }
    }
}
