/// A guest's serial port: says back what it hears.
enum SerialPort {
    static func serve(_ connection: Connection) {
        while let bytes = connection.read() {
            guard connection.write(bytes) else { return }
        }
    }
}
