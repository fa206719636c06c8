import HTTPTypes
import Hummingbird

/// Answers 405 with `Allow` to the methods that a path does not have; the library alone would answer 404.
package enum WrongMethod {
    private static let methods: [HTTPRequest.Method] = [
        .get, .post, .put, .patch, .delete, .head, .options, .trace, .connect,
    ]

    /// `request` with a method that the router knows. One that no path has at all (`QUERY`, `PROPFIND`) becomes another that no path has, so
    /// that it is answered like any.
    package static func known(_ request: Request) -> Request {
        guard !methods.contains(request.method) else { return request }
        var head = request.head
        head.method = .trace
        return Request(head: head, body: request.body)
    }

    /// Adds the missing methods of every path that `router` has now. To be called after everything is mounted.
    package static func install(on router: Router<AppContext>) {
        let known = Dictionary(grouping: router.routes, by: { $0.path.description }).mapValues {
            $0.map(\.method)
        }
        for (path, present) in known {
            let allow = present.map(\.rawValue).sorted().joined(separator: ", ")
            for method in methods where !present.contains(method) {
                router.on(RouterPath(path), method: method) { _, _ -> Response in
                    var problem = Problem(.methodNotAllowed, "This path has only \(allow).")
                    problem.headers[.allow] = allow
                    throw problem
                }
            }
        }
    }
}
