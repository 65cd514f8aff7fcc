import ComputeAgent
import ComputeModel
import Testing

@Suite struct InventoryAdjustmentTests {
    private let inventory = NodeInventory(
        hypervisorType: "fake", hypervisorVersion: 1, hypervisorHostname: "a",
        cpu: CPUDescription(arch: "x86_64", vendor: "v", model: "m"), supportedGuests: [],
        resources: [
            .vcpu: ResourceInventory(total: 8, reserved: 1, allocationRatio: 4),
            .memoryMiB: ResourceInventory(total: 4096, reserved: 512),
            .diskGiB: ResourceInventory(total: 100),
        ], traits: [], diskFreeGiB: 100)

    @Test func withoutOptionsTheDriversWordStands() {
        #expect(InventoryAdjustment().applied(to: inventory) == inventory)
    }

    @Test func whatAnOperatorSaysTakesPrecedence() {
        var adjustment = InventoryAdjustment()
        adjustment.processorRatio = 16
        adjustment.memoryRatio = 1.5
        adjustment.reservedProcessors = 0
        adjustment.reservedDiskMiB = 1025
        let resources = adjustment.applied(to: inventory).resources
        #expect(resources[.vcpu] == ResourceInventory(total: 8, reserved: 0, allocationRatio: 16))
        #expect(resources[.memoryMiB] == ResourceInventory(total: 4096, reserved: 512, allocationRatio: 1.5))
        #expect(resources[.diskGiB] == ResourceInventory(total: 100, reserved: 2))
    }

    @Test func noMoreIsReservedThanThereIs() {
        var adjustment = InventoryAdjustment()
        adjustment.reservedMemoryMiB = 1 << 20
        #expect(adjustment.applied(to: inventory).resources[.memoryMiB]?.reserved == 4096)
    }
}
