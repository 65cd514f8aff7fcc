import ComputeModel
import Database

extension ComputeStore {
    /// Stores new servers, their actions and the sagas that will build them in one transaction, so that what was
    /// accepted is on disk with the work it needs.
    ///
    /// Quotas are counted in the same transaction: concurrent requests cannot pass a limit together.
    ///
    /// - Throws: ``StoreError/quotaExceeded(_:)``; then nothing was stored.
    package func createInstances(
        _ instances: [NewInstance], sagas: [NewSaga], origin: ActionOrigin, limits: CreationLimits
    ) async throws {
        let at = now()
        try await database.transaction { connection in
            if let first = instances.first {
                try connection.takeTurn("quota \(first.projectID)")
                try Self.check(limits, adding: instances, project: first.projectID, connection)
            }
            for instance in instances {
                try Self.insert(instance, at: at, connection)
                try Self.recordAction("create", on: instance.id, origin: origin, at: at, connection)
            }
            for saga in sagas { try Self.insert(saga, at: at, connection) }
        }
    }

    private static func check(
        _ limits: CreationLimits, adding instances: [NewInstance], project: String, _ connection: SQLConnection
    ) throws {
        let used = try usage(ofProject: project, connection)
        var exceeded: [QuotaExceeded.Resource] = []
        func check(_ name: String, _ requested: Int, _ used: Int, _ limit: Int) {
            if limit >= 0, used + requested > limit {
                exceeded.append(.init(name: name, requested: requested, used: used, limit: limit))
            }
        }
        check("instances", instances.count, used.instances, limits.instances)
        check("cores", instances.reduce(0) { $0 + $1.flavor.vcpus }, used.cores, limits.cores)
        check("ram", instances.reduce(0) { $0 + $1.flavor.memoryMiB }, used.memoryMiB, limits.memoryMiB)
        if !exceeded.isEmpty { throw StoreError.quotaExceeded(QuotaExceeded(resources: exceeded)) }
    }

    private static func insert(_ instance: NewInstance, at: Timestamp, _ connection: SQLConnection) throws {
        let flavor = instance.flavor
        let metadata = try StoredJSON.encode(instance.metadata)
        let tags = Set(instance.tags).sorted()
        try connection.execute(
            """
            INSERT INTO instances (
                uuid, reservation_id, launch_index, project_id, user_id, display_name, description, hostname,
                vm_state, task_state, power_state, progress, availability_zone, pinned_zone, created_at, updated_at,
                image_id, image_properties, key_name, key_data, user_data, config_drive, access_ip_v4, access_ip_v6,
                flavor_id, flavor_name, vcpus, memory_mib, root_gib, ephemeral_gib, swap_mib, extra_specs,
                metadata, tags, addresses, security_groups, trusted_certs, hints, interfaces, spec, auto_disk_config)
            VALUES (
                \(instance.id), \(instance.reservationID), \(instance.launchIndex), \(instance.projectID),
                \(instance.userID), \(instance.name), \(instance.description), \(instance.hostname),
                \(VMState.building.rawValue), \(TaskState.scheduling.rawValue), \(PowerState.noState.rawValue), 0,
                \(instance.availabilityZone), \(instance.availabilityZone), \(at), \(at), \(instance.imageID),
                \(instance.imagePropertiesJSON), \(instance.keyName), \(instance.keyData), \(instance.userData),
                \(instance.configDrive), \(instance.accessIPv4), \(instance.accessIPv6), \(flavor.flavorID),
                \(flavor.name), \(flavor.vcpus), \(flavor.memoryMiB), \(flavor.rootGiB), \(flavor.ephemeralGiB),
                \(flavor.swapMiB), \(try StoredJSON.encode(flavor.extraSpecs)), \(metadata),
                \(try StoredJSON.encode(tags)), '{}', '[]', \(instance.trustedCertificatesJSON),
                \(instance.hintsJSON), '[]', \(instance.specJSON), \(instance.autoDiskConfig))
            """)
        for tag in tags {
            try connection.execute("INSERT INTO instance_tags (instance, tag) VALUES (\(instance.id), \(tag))")
        }
    }

    static func insert(_ saga: NewSaga, at: Timestamp, _ connection: SQLConnection) throws {
        try connection.execute(
            """
            INSERT INTO sagas (
                id, name, subject, parameters, created_at, status, generation, lease_until, updated_at, events)
            VALUES (\(saga.id.description), \(saga.name), \(saga.subject), \(Array(saga.parametersJSON.utf8)), \(at),
                'running', 0, 0, \(at), 0)
            """)
    }

    /// What a project's servers use; deleted ones do not count.
    package func usage(ofProject project: String) async throws -> ProjectUsage {
        try await database.read { try Self.usage(ofProject: project, $0) }
    }

    static func usage(ofProject project: String, _ connection: SQLConnection) throws -> ProjectUsage {
        let counted = try connection.first(
            """
            SELECT COUNT(*), COALESCE(SUM(vcpus), 0), COALESCE(SUM(memory_mib), 0) FROM instances
            WHERE project_id = \(project) AND deleted = 0
            """
        ) { row in
            ProjectUsage(instances: try row.int(0), cores: try row.int(1), memoryMiB: try row.int(2))
        }
        return counted ?? ProjectUsage(instances: 0, cores: 0, memoryMiB: 0)
    }
}

/// What a project's servers use.
package struct ProjectUsage: Sendable, Equatable {
    package var instances: Int
    package var cores: Int
    package var memoryMiB: Int

    package init(instances: Int, cores: Int, memoryMiB: Int) {
        self.instances = instances
        self.cores = cores
        self.memoryMiB = memoryMiB
    }
}
