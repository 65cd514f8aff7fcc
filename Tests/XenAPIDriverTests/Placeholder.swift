import Testing

@testable import XenAPIDriver
