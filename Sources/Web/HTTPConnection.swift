import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1

/// What is done on one HTTP/1.1 connection, from the wire to the router.
///
///     HTTP/1.1 codec, one request at a time · EdgeGuard · doors · HTTPTypes codec · router (Hummingbird)
///
/// A door is a channel handler that answers some requests itself, on the event loop, and lets all others pass: pushes, which are too many
/// for a task, a router and three changes of thread each.
package struct HTTPConnection: ServerChildChannel, HTTPChannelHandler {
    package typealias Value = NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>

    package let responder: HTTPChannelHandler.Responder
    private let doors: @Sendable () -> [any ChannelHandler]
    private let bounds: EdgeGuard.Bounds

    /// `doors` makes the handlers of a new connection, in their order.
    package init(
        bounds: EdgeGuard.Bounds = EdgeGuard.Bounds(),
        doors: @escaping @Sendable () -> [any ChannelHandler],
        responder: @escaping HTTPChannelHandler.Responder
    ) {
        self.bounds = bounds
        self.doors = doors
        self.responder = responder
    }

    /// Builds the pipeline.
    package func setup(channel: any NIOCore.Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            let pipeline = channel.pipeline.syncOperations
            try pipeline.configureHTTPServerPipeline(
                withPipeliningAssistance: true,
                withErrorHandling: false,
                withOutboundHeaderValidation: false,
                withEncoderConfiguration: HTTPResponseEncoder.Configuration(),
                withDecoderLimitConfiguration: Self.limits
            )
            try pipeline.addHandler(EdgeGuard(bounds: bounds))
            try pipeline.addHandlers(doors())
            try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: false))
            return try NIOAsyncChannel(
                wrappingChannelSynchronously: channel,
                configuration: .init(isOutboundHalfClosureEnabled: true)
            )
        }
    }

    /// Serves what the doors let pass.
    package func handle(value: Value, logger: Logger) async {
        await handleHTTP(asyncChannel: value, logger: logger)
    }

    /// Header list 16 KiB and 64 fields. Source: openapi.yaml and the README.
    private static var limits: NIOHTTPDecoderLimitConfiguration {
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = 8 << 10
        limits.maxHeaderListSize = 16 << 10
        limits.maxHeaderFieldCount = 64
        return limits
    }
}
