import Domain
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import NIOHTTP1
import Web

/// A connection broke while an answer was written to it.
private struct BrokenConnection: Error {}

extension HTTPResponder where Context == AppContext {
    /// What a connection does with each of its requests: context, answer, header `Date`, and the answer on the wire.
    func responder(logger: Logger) -> HTTPChannelHandler.Responder {
        let date = HTTPDate()
        return { request, writer, channel in
            let source = ApplicationRequestContextSource(channel: channel, logger: logger)
            let context = AppContext(source: source)
            defer { context.memory.release() }
            var response: Response
            do {
                response = try await respond(to: WrongMethod.known(request), context: context)
            } catch let error as HTTPParserError {
                throw error
            } catch {
                logger.error("a request failed outside of every handler", metadata: ["error": "\(error)"])
                response = Response(status: .internalServerError)
            }
            response.headers[.date] = date.text(at: SystemClock.wall.now())
            do {
                try await writer.write(response: response.head, body: response.body)
            } catch is HTTPParserError {
                // As it is, it would be answered once more.
                throw BrokenConnection()
            }
        }
    }
}
