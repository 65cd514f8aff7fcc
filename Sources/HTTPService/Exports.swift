// The wire vocabulary of this module (HTTPMethod, HTTPHeaders, ByteBuffer) is SwiftNIO's. It is re-exported, so
// that the API modules import HTTPService and nothing else.
@_exported public import NIOCore
@_exported public import NIOHTTP1
