import HTTPTypes
import Hummingbird

/// Answers 405 with `Allow` to the methods that a path does not have; the library alone would answer 404.
package enum WrongMethod {
    private static let methods: [HTTPRequest.Method] = [
        .get, .post, .put, .patch, .delete, .head, .options, .trace, .connect,
    ]

    /// Adds the missing methods of every path that `router` has now. To be called after everything is mounted.
    ///
    /// `special` is an answer of its own for some paths; nil for the usual problem.
    package static func install(
        on router: Router<AppContext>,
        special: @escaping @Sendable (_ path: String, _ allow: String, _ requestID: String) -> Response?
    ) {
        let known = Dictionary(grouping: router.routes, by: { $0.path.description }).mapValues {
            $0.map(\.method)
        }
        for (path, present) in known {
            let allow = present.map(\.rawValue).sorted().joined(separator: ", ")
            for method in methods where !present.contains(method) {
                router.on(RouterPath(path), method: method) { _, context -> Response in
                    if let answer = special(path, allow, context.requestID) { return answer }
                    var problem = Problem(.methodNotAllowed, "This path has only \(allow).")
                    problem.headers[.allow] = allow
                    throw problem
                }
            }
        }
    }
}
