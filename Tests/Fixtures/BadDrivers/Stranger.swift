// Compiled as a module named DriverAPI: what a driver carries that was linked to DriverKit statically.

public final class DriverFactory {
    public init() {}
}

@c(make_stranger)
public func makeStranger() -> UnsafeMutableRawPointer { Unmanaged.passRetained(DriverFactory()).toOpaque() }
