private import COpenAPI

/// The file openapi.yaml as it was when this binary was built.
package enum OpenAPIFile {
    /// Its bytes. A copy: keep it.
    package static var bytes: [UInt8] {
        Array(UnsafeBufferPointer(start: copenapi_text(), count: copenapi_size()))
    }
}
