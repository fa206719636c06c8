import Domain
import HTTPTypes
import Hummingbird
import Native
import Storage
import Web

/// `/v1/accounts/{account_id}/integrations/{integration_id}/routes`
struct RouteEndpoints {
    let store: Store

    func add(to account: RouterGroup<AccountContext>) {
        account.group("integrations/{integration_id}/routes")
            .operation(.post, .configuration(.editor), use: createRoute)
            .operation(.get, .configuration(.viewer), use: listRoutes)
            .operation(.put, .configuration(.editor), use: replaceRoutes)
        account.group("integrations/{integration_id}/routes/{route_id}")
            .operation(.get, .configuration(.viewer), use: getRoute)
            .operation(.patch, .configuration(.editor), use: updateRoute)
            .operation(.delete, .configuration(.editor), use: deleteRoute)
    }

    @Sendable
    func createRoute(_ request: Request, _ context: AccountContext) async throws -> Response {
        let mutation = try await MutationRequest(request, context)
        let integration = try context.id("integration_id", IntegrationKind.self)
        let (draft, position) = try await mutation.decode(store) { fields -> (RouteStore.Draft, Int?)? in
            let position = fields.optional("position") { $0.position() }
            return RouteFields.draft(fields, at: "").map { ($0, position) }
        }
        return try await mutation.perform(store) { change in
            let route = try store.routes.insert(
                draft,
                at: position,
                of: integration,
                change
            )
            let location =
                "/v1/accounts/\(context.account.id)/integrations/\(integration)/routes/\(route.route.id)"
            return Answer.change(.created, version: route.metadata.version, location: location) {
                write(route, of: integration, context, &$0)
            }
        }
    }

    @Sendable
    func listRoutes(_ request: Request, _ context: AccountContext) async throws -> Response {
        let query = Query(request)
        let place = query.routePlace()
        let filter = query.configurationFilter()
        try query.finish()
        let integration = try context.id("integration_id", IntegrationKind.self)
        let list = try await store.routes.list(
            from: place.position,
            limit: place.limit,
            filter: filter,
            of: integration,
            in: context.account.number
        )
        if ETag.isCurrent(list.version, for: request) { return ETag.notModified(list.version) }
        return Answer.list(
            list.items,
            next: list.next.map(RoutePlace.encode),
            cursor: Self.cursor,
            version: list.version
        ) {
            write($0, of: integration, context, &$1)
        }
    }

    private static func cursor(_: PlacedRoute, _ following: PlacedRoute) -> String {
        RoutePlace.encode(following.position)
    }

    @Sendable
    func replaceRoutes(_ request: Request, _ context: AccountContext) async throws -> Response {
        let mutation = try await MutationRequest(request, context)
        let integration = try context.id("integration_id", IntegrationKind.self)
        let entries = try await mutation.decode(store) { fields in
            fields.required("routes") { list in
                list.array(count: 0...Limits.routes) { RouteFields.entry($0) }
            }
        }
        return try await mutation.perform(store) {
            try await store.routes.plan(
                entries,
                if: mutation.precondition,
                of: integration,
                in: context.account.number,
                by: context.actor
            )
        } again: { _ in
            let list = try await store.routes.list(
                from: 0,
                limit: Limits.routes,
                filter: ConfigurationFilter(),
                of: integration,
                in: context.account.number
            )
            return answer(list, of: integration, context)
        } _: {
            answer($0, of: integration, context)
        }
    }

    private func answer(
        _ list: RouteList,
        of integration: IntegrationID,
        _ context: AccountContext
    ) -> RecordedAnswer {
        Answer.change(version: list.version) { object in
            let shown = object.cutArray("items", list.items) { write($0, of: integration, context, &$1) }
            let following = list.items.dropFirst(shown).first?.position
            object.field("next_cursor", following.map(RoutePlace.encode))
        }
    }

    @Sendable
    func getRoute(_ request: Request, _ context: AccountContext) async throws -> Response {
        try Query(request).finish()
        let integration = try context.id("integration_id", IntegrationKind.self)
        let route = try await store.routes.find(
            context.id("route_id"),
            of: integration,
            in: context.account.number
        )
        if ETag.isCurrent(route.metadata.version, for: request) {
            return ETag.notModified(route.metadata.version)
        }
        return Answer.object(version: route.metadata.version) { write(route, of: integration, context, &$0) }
    }

    @Sendable
    func updateRoute(_ request: Request, _ context: AccountContext) async throws -> Response {
        let mutation = try await MutationRequest(request, context)
        let integration = try context.id("integration_id", IntegrationKind.self)
        let id = try context.id("route_id", RouteKind.self)
        let patch = try await mutation.decode(store, RouteFields.patch)
        return try await mutation.perform(store) { change in
            let route = try store.routes.update(
                id,
                patch,
                if: mutation.precondition,
                of: integration,
                change
            )
            return Answer.change(version: route.metadata.version) {
                write(route, of: integration, context, &$0)
            }
        }
    }

    @Sendable
    func deleteRoute(_ request: Request, _ context: AccountContext) async throws -> Response {
        let mutation = try await MutationRequest(request, context)
        return try await mutation.perform(store) { change in
            try store.routes.delete(
                context.id("route_id"),
                if: mutation.precondition,
                of: context.id("integration_id"),
                change
            )
            return Answer.nothing
        }
    }

    private func write(
        _ placed: PlacedRoute,
        of integration: IntegrationID,
        _ context: AccountContext,
        _ object: inout JSONWriter
    ) {
        object.field("id", placed.route.id)
        object.field("account_id", context.account.id)
        object.field("integration_id", integration)
        object.route(placed)
        object.metadata(placed.metadata)
    }
}
