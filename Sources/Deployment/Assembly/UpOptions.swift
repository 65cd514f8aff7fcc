package import ServiceOptions

/// What `kilonovad up` was told.
package struct UpOptions: Sendable {
    /// Where everything is kept.
    package var stateDirectory: String
    /// Files, environment and command line, read.
    package var source: ConfigurationSource
    /// The options they hold.
    package var options: KilonovaOptions

    package init(stateDirectory: String, source: ConfigurationSource, options: KilonovaOptions) {
        self.stateDirectory = stateDirectory
        self.source = source
        self.options = options
    }
}
