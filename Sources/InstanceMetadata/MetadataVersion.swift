/// A version of the OpenStack documents; directories are called so.
package enum MetadataVersion: String, Sendable, CaseIterable, Comparable {
    case folsom = "2012-08-10"
    case grizzly = "2013-04-04"
    case havana = "2013-10-17"
    case liberty = "2015-10-15"
    case newton = "2016-06-30"
    case newtonSecond = "2016-10-06"
    case ocata = "2017-02-22"
    case rocky = "2018-08-27"
    case victoria = "2020-10-14"
    case epoxy = "2025-04-04"

    /// The newest; `latest` means it.
    package static let newest = MetadataVersion.epoxy

    /// The version of a directory, `latest` included.
    package init?(directory: some StringProtocol) {
        if directory == "latest" {
            self = .newest
        } else {
            self.init(rawValue: String(directory))
        }
    }

    /// Dates order as their texts do.
    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// A version of the EC2 documents.
package enum EC2Version: String, Sendable, CaseIterable, Comparable {
    case first = "1.0"
    case january2007 = "2007-01-19"
    case march2007 = "2007-03-01"
    case august2007 = "2007-08-29"
    case october2007 = "2007-10-10"
    case december2007 = "2007-12-15"
    case february2008 = "2008-02-01"
    case september2008 = "2008-09-01"
    case april2009 = "2009-04-04"

    /// The newest; `latest` means it.
    package static let newest = EC2Version.april2009

    /// The version of a directory, `latest` included.
    package init?(directory: some StringProtocol) {
        if directory == "latest" {
            self = .newest
        } else {
            self.init(rawValue: String(directory))
        }
    }

    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}
