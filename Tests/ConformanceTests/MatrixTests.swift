import DriverConformance
import Testing

@Suite struct MatrixTests {
    @Test func theMatrixHas56Rows() { #expect(FeatureKey.allCases.count == 56) }
}
