import Testing

@testable import LibvirtDriver

@Suite struct XMLTests {
    @Test func textSurvivesWritingAndReading() throws {
        let nasty = "a<b>&\"c'\n\t]]>é😀 </domain>"
        var element = XMLElement("root", ["attribute": nasty], [XMLElement("child", text: nasty)])
        element.add(XMLElement("empty"))
        let read = try XMLReader.parse(element.serialized)
        #expect(read["attribute"] == nasty)
        #expect(read.child("child")?.contents == [.text(nasty)])
        #expect(read.children.map(\.name) == ["child", "empty"])
    }

    @Test func whatXMLCannotHoldIsReplaced() throws {
        let element = XMLElement("name", text: "a\u{0}b\u{1b}c\u{ffff}d")
        #expect(try XMLReader.parse(element.serialized).text == "a\u{fffd}b\u{fffd}c\u{fffd}d")
    }

    @Test func allFormsOfADocumentAreRead() throws {
        let text = """
            <?xml version="1.0"?>
            <!-- comment <not> read -->
            <domain type="qemu" id='3'>
              text &amp; <![CDATA[<raw> & ]]>&#65;&#x42;
              <!-- inner --><a/><a x = '1' ></a>
            </domain>
            """
        let root = try XMLReader.parse(text)
        #expect(root["type"] == "qemu")
        #expect(root["id"] == "3")
        #expect(root.children("a").count == 2)
        #expect(root.children("a")[1]["x"] == "1")
        #expect(root.text.hasPrefix("text & <raw> & AB"))
    }

    @Test(arguments: [
        "", "text", "<a>", "<a></b>", "<a", "<a x></a>", "<a x=1/>", "<a x='1/>", "<a>&unknown;</a>",
        "<a>&#x110000;</a>",
        "<a/><b/>", "<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/shadow'>]><a>&e;</a>", "<a><!-- </a>", "<a>&amp</a>",
    ]) func aBrokenDocumentIsRefused(_ text: String) {
        #expect(throws: XMLReader.Failure.self) { try XMLReader.parse(text) }
    }

    @Test func depthIsLimited() {
        let text = String(repeating: "<a>", count: 100_000)
        #expect(throws: XMLReader.Failure.self) { try XMLReader.parse(text) }
    }
}
