/// Version of the conformance suite; a certificate names it.
public let conformanceSuiteVersion = "0.1"
