//! Needles in every corner of office documents, each to be found at its place.
//! The tests refuse to count finds: every needle is named.

use super::fixture::{
    attachment, compound, document_parts, kinds, package, paragraph, places, png, read, unread, utf16, workbook_parts,
    zip,
};
use sekisho::cli::demo::fixtures::cfb;

fn add(parts: &mut Vec<(String, String)>, name: &str, part: &str) {
    parts.push((name.to_owned(), part.to_owned()));
}

fn full_workbook() -> Vec<(String, String)> {
    let roster = "<row r='1'><c r='A1' t='s'><v>0</v></c><c r='B1' t='s'><v>1</v></c></row>\
        <row r='3' hidden='1'><c r='A3' t='inlineStr'><is><r><t>佐藤</t></r><r><t>花子</t></r></is></c>\
        <c r='B3' s='1'><v>9000000001</v></c><c r='C3' s='2'><v>29221</v></c><c r='D3' s='3'><v>1000001</v></c><c r='E3' t='str'><f>A1</f><v>式の値</v></c>\
        <c r='F3'><v>621498320257</v></c><c r='G3' t='b'><v>1</v></c><c r='H3' s='4'><v>36526</v></c></row></sheetData>\
        <conditionalFormatting><cfRule type='containsText' text='条件の文字'/></conditionalFormatting>\
        <dataValidations><dataValidation promptTitle='入力の題' prompt='入力の案内'><formula1>\"選択肢一,選択肢二\"</formula1></dataValidation></dataValidations>\
        <hyperlinks><hyperlink ref='A1' display='リンクの表示' tooltip='リンクの説明'/></hyperlinks>\
        <headerFooter><oddHeader>&amp;C社外秘の頁</oddHeader></headerFooter>";
    let hidden = "<row r='2'><c r='B2' t='s'><v>2</v></c></row></sheetData>";
    let mut parts = workbook_parts(&[("名簿", "visible", roster), ("隠し", "veryHidden", hidden)]);
    add(
        &mut parts,
        "xl/sharedStrings.xml",
        "<sst><si><t>氏名</t></si><si><r><t>山田</t></r><r><t xml:space='preserve'> 太郎_x000D_</t></r><rPh sb='0' eb='2'><t>ヤマダ</t></rPh><rPh sb='3' eb='5'><t>タロウ</t></rPh></si><si><t>隠し場所</t></si><si><t>使われない文字</t></si></sst>",
    );
    add(
        &mut parts,
        "xl/styles.xml",
        "<styleSheet><numFmts><numFmt numFmtId='164' formatCode='0##########'/><numFmt numFmtId='165' formatCode='[$-411]ggge&quot;年&quot;m&quot;月&quot;d&quot;日&quot;'/><numFmt numFmtId='166' formatCode='000\\-0000'/></numFmts><cellXfs><xf numFmtId='0'/><xf numFmtId='164'/><xf numFmtId='165'/><xf numFmtId='166'/><xf numFmtId='57'/></cellXfs></styleSheet>",
    );
    add(
        &mut parts,
        "xl/comments1.xml",
        "<comments><authors><author>記入者</author></authors><commentList><comment ref='A1'><text><r><t>注釈の</t></r><r><t>文字</t></r></text></comment></commentList></comments>",
    );
    add(
        &mut parts,
        "xl/threadedComments/threadedComment1.xml",
        "<ThreadedComments><threadedComment><text>会話の文字</text></threadedComment></ThreadedComments>",
    );
    add(
        &mut parts,
        "xl/drawings/drawing1.xml",
        "<xdr:wsDr xmlns:xdr='x'><xdr:col>123456789012</xdr:col><xdr:sp><xdr:cNvPr id='1' name='n' descr='代替の文字'/><a:p><a:r><a:t>図形の</a:t></a:r><a:r><a:t>文字</a:t></a:r></a:p></xdr:sp></xdr:wsDr>",
    );
    add(
        &mut parts,
        "xl/drawings/vmlDrawing1.vml",
        "<xml xmlns:v='v'><v:textbox><div><font>古い図形</font></div></v:textbox></xml>",
    );
    add(
        &mut parts,
        "xl/charts/chart1.xml",
        "<c:chartSpace xmlns:c='c'><c:strCache><c:ptCount val='1'/><c:pt idx='0'><c:v>系列の名</c:v></c:pt></c:strCache></c:chartSpace>",
    );
    add(
        &mut parts,
        "xl/pivotCache/pivotCacheDefinition1.xml",
        "<pivotCacheDefinition><cacheFields><cacheField name='項目の名'><sharedItems><s v='集計の値'/></sharedItems></cacheField></cacheFields></pivotCacheDefinition>",
    );
    add(
        &mut parts,
        "xl/externalLinks/_rels/externalLink1.xml.rels",
        "<Relationships><Relationship Id='r' Target='file:///C:/共有/外部.xlsx' TargetMode='External'/></Relationships>",
    );
    add(&mut parts, "customXml/item1.xml", "<root><data>任意の文字</data></root>");
    add(
        &mut parts,
        "docProps/core.xml",
        "<cp:coreProperties xmlns:cp='c' xmlns:dc='d'><dc:title>文書の題</dc:title><dc:creator>作成の人</dc:creator></cp:coreProperties>",
    );
    add(
        &mut parts,
        "docProps/custom.xml",
        "<Properties xmlns:vt='v'><property name='MSIP_Label_0a1b_Name'><vt:lpwstr>極秘の札</vt:lpwstr></property></Properties>",
    );
    add(
        &mut parts,
        "docMetadata/LabelInfo.xml",
        "<clbl:labelList xmlns:clbl='c'><clbl:label id='{0a1b}' name='新しい札'/></clbl:labelList>",
    );
    parts
}

const WORKBOOK_NEEDLES: &[(&str, &str)] = &[
    ("氏名", "名簿.xlsx!名簿#A1"),
    ("山田 太郎", "名簿.xlsx!名簿#B1"),
    ("佐藤花子", "名簿.xlsx!名簿#A3"),
    ("09000000001", "名簿.xlsx!名簿#B3"),
    ("1980-01-01", "名簿.xlsx!名簿#C3"),
    ("100-0001", "名簿.xlsx!名簿#D3"),
    ("式の値", "名簿.xlsx!名簿#E3"),
    ("621498320257", "名簿.xlsx!名簿#F3"),
    ("TRUE", "名簿.xlsx!名簿#G3"),
    ("2000-01-01", "名簿.xlsx!名簿#H3"),
    ("隠し場所", "名簿.xlsx!隠し#B2"),
    ("使われない文字", "名簿.xlsx!sharedStrings"),
    ("ヤマダタロウ", "名簿.xlsx!phonetic"),
    ("条件の文字", "名簿.xlsx!名簿"),
    ("入力の題", "名簿.xlsx!名簿"),
    ("入力の案内", "名簿.xlsx!名簿"),
    ("選択肢一", "名簿.xlsx!名簿"),
    ("リンクの表示", "名簿.xlsx!名簿"),
    ("リンクの説明", "名簿.xlsx!名簿"),
    ("社外秘の頁", "名簿.xlsx!名簿:property"),
    ("注釈の文字", "名簿.xlsx!comments1"),
    ("会話の文字", "名簿.xlsx!threadedComment1"),
    ("代替の文字", "名簿.xlsx!drawing1"),
    ("図形の文字", "名簿.xlsx!drawing1"),
    ("古い図形", "名簿.xlsx!vmlDrawing1"),
    ("系列の名", "名簿.xlsx!chart1"),
    ("項目の名", "名簿.xlsx!pivotCacheDefinition1"),
    ("集計の値", "名簿.xlsx!pivotCacheDefinition1"),
    ("外部.xlsx", "名簿.xlsx!externalLink1.xml"),
    ("任意の文字", "名簿.xlsx!item1"),
    ("文書の題", "名簿.xlsx!core:property"),
    ("作成の人", "名簿.xlsx!core:property"),
    ("極秘の札", "名簿.xlsx!custom:property"),
    ("新しい札", "名簿.xlsx!LabelInfo:property"),
];

#[test]
fn every_corner_of_a_workbook_is_read() {
    let out = read(&attachment("名簿.xlsx", &package(&full_workbook())));
    for (needle, place) in WORKBOOK_NEEDLES {
        assert_eq!(places(&out, needle), [*place], "{needle}");
    }
    assert!(places(&out, "123456789012").is_empty(), "positions of drawings are not content");
    assert_eq!(unread(&out), [] as [&str; 0]);
    assert_eq!(kinds(&out), ["名簿.xlsx: xlsx"]);
}

#[test]
fn parts_in_utf_16_hide_nothing() {
    let parts = full_workbook();
    let wide: Vec<(String, Vec<u8>)> =
        parts.iter().map(|(name, part)| (name.clone(), utf16(&part.replace("UTF-8", "UTF-16")))).collect();
    let entries: Vec<(&str, &[u8])> = wide.iter().map(|(name, part)| (name.as_str(), part.as_slice())).collect();
    let out = read(&attachment("名簿.xlsx", &zip(&entries)));
    for (needle, place) in WORKBOOK_NEEDLES {
        assert_eq!(places(&out, needle), [*place], "{needle}");
    }
}

#[test]
fn a_sheet_no_workbook_lists_is_read_too() {
    let mut parts = workbook_parts(&[("s", "visible", "<row r='1'><c><v>1</v></c></row></sheetData>")]);
    add(
        &mut parts,
        "xl/elsewhere/left.xml",
        "<worksheet><sheetData><row r='1'><c t='inlineStr'><is><t>置き去り</t></is></c></row></sheetData></worksheet>",
    );
    assert_eq!(places(&read(&attachment("a.xlsx", &package(&parts))), "置き去り"), ["a.xlsx!left#A1"]);
}

#[test]
fn every_corner_of_a_document_is_read() {
    let body = [
        paragraph("本文の文字"),
        "<w:p><w:r><w:t>090</w:t></w:r><w:r><w:noBreakHyphen/><w:t>0000</w:t></w:r><w:r><w:rPr><w:b/></w:rPr><w:t>-0001</w:t></w:r></w:p>".to_owned(),
        "<w:p><w:r><w:rPr><w:vanish/></w:rPr><w:t>隠し文字</w:t></w:r></w:p>".to_owned(),
        "<w:p><w:del><w:r><w:delText>消した文字</w:delText></w:r></w:del></w:p>".to_owned(),
        "<w:p><w:r><w:drawing><wp:docPr descr='絵の説明'/></w:drawing></w:r></w:p>".to_owned(),
        "<w:p><w:r><mc:AlternateContent><mc:Choice><wps:txbx><w:txbxContent><w:p><w:r><w:t>箱の文字</w:t></w:r></w:p></w:txbxContent></wps:txbx></mc:Choice></mc:AlternateContent></w:r></w:p>".to_owned(),
        "<w:p><w:r><w:instrText> HYPERLINK \"mailto:sumi@example.jp\" </w:instrText></w:r></w:p>".to_owned(),
        "<w:tbl><w:tr><w:tc><w:p><w:r><w:t>氏名</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>電話</w:t></w:r></w:p></w:tc></w:tr><w:tr><w:tc><w:p><w:r><w:t>山田</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>表の電話</w:t></w:r></w:p></w:tc></w:tr></w:tbl>".to_owned(),
    ]
    .concat();
    let mut parts = document_parts(&body);
    let wrap = |root: &str, text: &str| format!("<w:{root} xmlns:w='w'>{}</w:{root}>", paragraph(text));
    add(&mut parts, "word/header2.xml", &wrap("hdr", "社外秘の頭"));
    add(&mut parts, "word/footer1.xml", &wrap("ftr", "取扱注意の足"));
    add(&mut parts, "word/footnotes.xml", &wrap("footnotes", "脚注の文字"));
    add(&mut parts, "word/comments.xml", &wrap("comments", "意見の文字"));
    add(
        &mut parts,
        "word/settings.xml",
        "<w:settings xmlns:w='w'><w:docVars><w:docVar w:name='v' w:val='変数の値'/></w:docVars></w:settings>",
    );
    add(&mut parts, "word/charts/chart1.xml", "<c:chartSpace xmlns:c='c'><c:v>図の値</c:v></c:chartSpace>");
    add(
        &mut parts,
        "docProps/app.xml",
        "<Properties><Company>組織の名</Company><Words>123456789012</Words></Properties>",
    );
    add(&mut parts, "word/afchunk.htm", "<html><body>別の頁<br>二</body></html>");
    let out = read(&attachment("案.docx", &package(&parts)));
    for (needle, place) in [
        ("本文の文字", "案.docx"),
        ("090-0000-0001", "案.docx"),
        ("隠し文字", "案.docx"),
        ("消した文字", "案.docx"),
        ("絵の説明", "案.docx"),
        ("箱の文字", "案.docx"),
        ("sumi@example.jp", "案.docx"),
        ("表の電話", "案.docx!table1#B2"),
        ("社外秘の頭", "案.docx!header2:property"),
        ("取扱注意の足", "案.docx!footer1:property"),
        ("脚注の文字", "案.docx!footnotes"),
        ("意見の文字", "案.docx!comments"),
        ("変数の値", "案.docx!settings"),
        ("図の値", "案.docx!chart1"),
        ("組織の名", "案.docx!app:property"),
        ("別の頁", "案.docx!afchunk"),
    ] {
        assert_eq!(places(&out, needle), [place], "{needle}");
    }
    assert!(places(&out, "123456789012").is_empty(), "counts of words are not content");
    assert_eq!(unread(&out), [] as [&str; 0]);
}

#[test]
fn embedded_files_are_read_and_embedded_pictures_are_told() {
    let book = package(&full_workbook());
    let mut parts: Vec<(String, Vec<u8>)> =
        document_parts(&paragraph("x")).into_iter().map(|(name, part)| (name, part.into_bytes())).collect();
    parts.push(("word/embeddings/Sheet.xlsx".to_owned(), book));
    parts.push(("word/embeddings/oleObject1.bin".to_owned(), cfb::compound(&[("Unknown", b"data")])));
    parts.push(("word/media/image1.png".to_owned(), png(1200, 1600, 50_000)));
    parts.push(("word/media/logo.png".to_owned(), png(100, 40, 5_000)));
    parts.push(("word/vbaProject.bin".to_owned(), compound(&["_VBA_PROJECT"], b"")));
    parts.push((
        "word/printerSettings1.bin".to_owned(),
        "氏名,電話,住所\n山田次郎,090,東京\n佐藤,080,大阪\n".as_bytes().to_vec(),
    ));
    let entries: Vec<(&str, &[u8])> = parts.iter().map(|(name, part)| (name.as_str(), part.as_slice())).collect();
    let out = read(&attachment("a.docx", &zip(&entries)));
    assert_eq!(places(&out, "佐藤花子"), ["a.docx!word/embeddings/Sheet.xlsx!名簿#A3"]);
    assert_eq!(places(&out, "山田次郎"), ["a.docx!word/printerSettings1.bin#A2"], "a name does not hide a table");
    assert_eq!(
        unread(&out),
        ["a.docx!word/embeddings/oleObject1.bin: unsupported", "a.docx!word/media/image1.png: image"]
    );
    assert_eq!(kinds(&out)[0], "a.docx: docm*");
}

#[test]
fn slides_notes_and_their_tables_are_read() {
    let slide = "<p:sld xmlns:p='p' xmlns:a='a'><p:sp><a:p><a:r><a:t>題</a:t></a:r><a:r><a:t>名</a:t></a:r></a:p></p:sp>\
        <a:tbl><a:tr><a:tc><a:txBody><a:p><a:r><a:t>氏名</a:t></a:r></a:p></a:txBody></a:tc><a:tc><a:txBody><a:p><a:r><a:t>山田</a:t></a:r></a:p></a:txBody></a:tc></a:tr></a:tbl></p:sld>";
    let notes = "<p:notes xmlns:p='p' xmlns:a='a'><a:p><a:r><a:t>覚え書き</a:t></a:r></a:p></p:notes>";
    let out = read(&attachment(
        "s.pptx",
        &zip(&[
            ("ppt/presentation.xml", b"<p:presentation/>"),
            ("ppt/slides/slide1.xml", slide.as_bytes()),
            ("ppt/notesSlides/notesSlide1.xml", notes.as_bytes()),
        ]),
    ));
    for (needle, place) in
        [("題名", "s.pptx!slide1"), ("山田", "s.pptx!slide1!table1#B1"), ("覚え書き", "s.pptx!notesSlide1")]
    {
        assert_eq!(places(&out, needle), [place]);
    }
    assert_eq!(kinds(&out), ["s.pptx: pptx"]);
}

#[test]
fn opendocument_is_read_and_its_encryption_is_told() {
    let content = "<office:document-content xmlns:office='o' xmlns:table='t' xmlns:text='x'><table:table table:name='名簿'>\
        <table:table-row><table:table-cell><text:p>氏名</text:p></table:table-cell></table:table-row>\
        <table:table-row table:number-rows-repeated='5'><table:table-cell/></table:table-row>\
        <table:table-row><table:table-cell table:number-columns-repeated='2'/><table:table-cell><text:p>山田<text:span>太郎</text:span></text:p></table:table-cell></table:table-row>\
        </table:table></office:document-content>";
    let kind: &[u8] = b"application/vnd.oasis.opendocument.spreadsheet";
    let styles = "<office:document-styles xmlns:office='o' xmlns:text='x'><style:header><text:p>社外秘</text:p></style:header></office:document-styles>";
    let out = read(&attachment(
        "m.ods",
        &zip(&[("mimetype", kind), ("content.xml", content.as_bytes()), ("styles.xml", styles.as_bytes())]),
    ));
    assert_eq!(places(&out, "山田太郎"), ["m.ods!名簿#C7"]);
    assert_eq!(places(&out, "社外秘"), ["m.ods!styles:property"]);
    assert_eq!(unread(&out), [] as [&str; 0]);
    let manifest = "<manifest:manifest xmlns:manifest='m'><manifest:file-entry><manifest:encryption-data/></manifest:file-entry></manifest:manifest>";
    let sealed = zip(&[
        ("mimetype", kind),
        ("content.xml", &[0x9A, 0x00, 0x13, 0xFE]),
        ("META-INF/manifest.xml", manifest.as_bytes()),
    ]);
    assert!(unread(&read(&attachment("m.ods", &sealed))).contains(&"m.ods: encrypted".to_owned()));
}
