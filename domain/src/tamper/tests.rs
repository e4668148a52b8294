//! What counts as a test, as a deletion, as a weakening, and what honest work may do.

use super::*;
use proptest::prelude::*;

fn kind(path: &str, before: &str, after: &str) -> Option<FlagKind> {
    compare(path, Some(before.as_bytes()), Some(after.as_bytes())).map(|flag| flag.kind)
}

const PYTHON: &str = "import pytest\n\ndef test_a():\n    x = f(1)\n    assert x == 1\n    assert x != 2, 'two'\n\n\
    def test_b():\n    with pytest.raises(ValueError):\n        f(None)\n";
const JAVASCRIPT: &str = "describe('f', () => {\n  it('adds', () => {\n    expect(f(1)).toBe(2);\n    expect(f(2)).not.toBe(2);\n  });\n\n  \
    test('throws', () => {\n    expect(() => f()).toThrow();\n  });\n});\n";
const GO: &str = "package a\n\nfunc TestA(t *testing.T) {\n\tif got := f(1); got != 2 {\n\t\tt.Errorf(\"got %d\", got)\n\t}\n\trequire.Equal(t, 3, f(2))\n}\n";
const RUST: &str = "#[test]\nfn adds() {\n    let x = f(1);\n    assert_eq!(x, 2);\n    assert!(f(2) > 2, \"small\");\n}\n\n\
    #[tokio::test]\nasync fn waits() {\n    assert!(g().await.is_ok());\n}\n";
const JAVA: &str = "class ATest {\n  @Test\n  void adds() {\n    assertEquals(2, f(1));\n    assertTrue(g());\n  }\n\n  @Test\n  void more() {\n    \
    assertThat(f(2)).isEqualTo(3);\n  }\n}\n";
const KOTLIN: &str =
    "class ATest {\n  @Test\n  fun `adds one`() {\n    assertEquals(2, f(1))\n    f(2) shouldBe 3\n  }\n}\n";
const CSHARP: &str = "public class A {\n  [Fact]\n  public void Adds() {\n    Assert.Equal(2, F(1));\n    F(2).Should().Be(3);\n  }\n\n  \
    [Theory]\n  [InlineData(1)]\n  [InlineData(2)]\n  public void More(int x) {\n    Assert.True(F(x) > x);\n  }\n}\n";
const RUBY: &str = "describe F do\n  it 'adds' do\n    expect(f(1)).to eq(2)\n    expect(f(2)).to eq(3)\n  end\n\n  it { is_expected.to be_valid }\nend\n";
const MINITEST: &str =
    "class ATest < Minitest::Test\n  def test_a\n    assert_equal 2, f(1)\n    refute f(2)\n  end\nend\n";
const PHP: &str = "<?php\nclass ATest extends TestCase {\n  public function testAdds(): void {\n    $this->assertSame(2, f(1));\n    \
    self::assertTrue(g());\n  }\n}\n";
const CPP: &str = "TEST(F, Adds) {\n  EXPECT_EQ(f(1), 2);\n  ASSERT_TRUE(g());\n}\n\nTEST_CASE(\"more\") {\n  REQUIRE(f(2) == 3);\n}\n";

const ALL: [(&str, &str); 11] = [
    ("tests/test_a.py", PYTHON),
    ("a.test.js", JAVASCRIPT),
    ("a_test.go", GO),
    ("tests/a.rs", RUST),
    ("ATest.java", JAVA),
    ("ATest.kt", KOTLIN),
    ("ATests.cs", CSHARP),
    ("a_spec.rb", RUBY),
    ("test/a_test.rb", MINITEST),
    ("ATest.php", PHP),
    ("a_test.cc", CPP),
];

fn path_of(before: &str) -> &'static str {
    ALL.into_iter().find(|(_, source)| *source == before).map(|(path, _)| path).unwrap()
}

/// Each row replaces a part of the source.
fn check(rows: &[(&str, &str, &str)], expected: Option<FlagKind>) {
    for (before, part, by) in rows {
        assert!(before.contains(part), "{part} is not in {before}");
        let after = before.replacen(part, by, 1);
        assert_eq!(kind(path_of(before), before, &after), expected, "{part} -> {by}");
    }
}

#[test]
fn a_deleted_test_file_is_flagged() {
    for (path, before) in ALL {
        let flag = compare(path, Some(before.as_bytes()), None).unwrap();
        assert_eq!((flag.kind, flag.path.as_deref()), (FlagKind::TestDeleted, Some(path)));
    }
    let rows: [(&str, &str, bool); 6] = [
        ("tests/__init__.py", "", false),
        ("tests/factory.py", "def make():\n    return 1\n", false),
        ("tests/test_a.py", "run_all()\n", true),
        ("src/a.py", PYTHON, false),
        ("src/lib.rs", RUST, true),
        ("src/lib.rs", "fn f() { assert!(true) }", false),
    ];
    for (path, before, flagged) in rows {
        assert_eq!(compare(path, Some(before.as_bytes()), None).is_some(), flagged, "{path}");
    }
}

#[test]
fn an_emptied_test_file_is_weakened() {
    for (path, before) in ALL {
        assert_eq!(kind(path, before, ""), Some(FlagKind::TestWeakened), "{path}");
    }
}

#[test]
fn a_removed_assertion_or_test_is_flagged() {
    check(
        &[
            (PYTHON, "    assert x == 1\n", ""),
            (PYTHON, "def test_b", "def helper_b"),
            (PYTHON, "    with pytest.raises(ValueError):\n        f(None)\n", "    pass\n"),
            (JAVASCRIPT, "    expect(f(1)).toBe(2);\n", ""),
            (JAVASCRIPT, "test('throws', () => {\n    expect(() => f()).toThrow();\n  });", ""),
            (GO, "t.Errorf(\"got %d\", got)", "t.Logf(\"got %d\", got)"),
            (GO, "require.Equal(t, 3, f(2))", "_ = f(2)"),
            (GO, "func TestA", "func testA"),
            (RUST, "    assert_eq!(x, 2);\n", ""),
            (RUST, "#[tokio::test]\n", ""),
            (JAVA, "    assertTrue(g());\n", ""),
            (JAVA, "  @Test\n  void more", "  void more"),
            (KOTLIN, "    f(2) shouldBe 3\n", ""),
            (CSHARP, "    F(2).Should().Be(3);\n", ""),
            (CSHARP, "  [InlineData(2)]\n", ""),
            (CSHARP, "  [Fact]\n", ""),
            (RUBY, "    expect(f(2)).to eq(3)\n", ""),
            (RUBY, "  it { is_expected.to be_valid }\n", ""),
            (MINITEST, "    refute f(2)\n", ""),
            (PHP, "    $this->assertSame(2, f(1));\n", ""),
            (PHP, "testAdds", "adds"),
            (CPP, "  ASSERT_TRUE(g());\n", ""),
            (CPP, "TEST_CASE(\"more\") {\n  REQUIRE(f(2) == 3);\n}\n", ""),
        ],
        Some(FlagKind::TestWeakened),
    );
}

#[test]
fn a_commented_assertion_is_a_removed_one() {
    check(
        &[
            (PYTHON, "    assert x == 1", "    # assert x == 1"),
            (PYTHON, "    assert x == 1", "    \"\"\"assert x == 1\"\"\""),
            (JAVASCRIPT, "    expect(f(1))", "    // expect(f(1))"),
            (JAVASCRIPT, "    expect(f(1)).toBe(2);", "    /* expect(f(1)).toBe(2); */"),
            (GO, "require.Equal(t, 3, f(2))", "// require.Equal(t, 3, f(2))"),
            (RUST, "    assert_eq!", "    // assert_eq!"),
            (JAVA, "    assertTrue", "    // assertTrue"),
            (RUBY, "    expect(f(1))", "    # expect(f(1))"),
            (PHP, "    self::assertTrue", "    # self::assertTrue"),
            (CPP, "  ASSERT_TRUE(g());", "#if 0\n  ASSERT_TRUE(g());\n#endif"),
        ],
        Some(FlagKind::TestWeakened),
    );
}

#[test]
fn an_assertion_that_cannot_fail_is_flagged() {
    check(
        &[
            (PYTHON, "assert x == 1", "assert True"),
            (PYTHON, "assert x == 1", "assert 1 == 1"),
            (PYTHON, "assert x == 1", "assert x == x"),
            (PYTHON, "assert x == 1", "assert x == 1 or True"),
            (PYTHON, "assert x == 1", "assert (x == 1, 'one')"),
            (PYTHON, "assert x == 1", "assert 'x'"),
            (PYTHON, "assert x == 1", "self.assertTrue(True)"),
            (PYTHON, "assert x == 1", "self.assertEqual(1, 1)"),
            (JAVASCRIPT, "expect(f(1)).toBe(2)", "expect(true).toBe(true)"),
            (JAVASCRIPT, "expect(f(1)).toBe(2)", "expect(1).toEqual(1)"),
            (JAVASCRIPT, "expect(f(1)).toBe(2)", "expect(true).to.be.true"),
            (JAVASCRIPT, "expect(f(1)).toBe(2)", "assert.ok(true)"),
            (JAVASCRIPT, "expect(f(1)).toBe(2)", "expect(x).toBe(x)"),
            (GO, "require.Equal(t, 3, f(2))", "require.Equal(t, 3, 3)"),
            (GO, "require.Equal(t, 3, f(2))", "assert.True(t, true)"),
            (RUST, "assert_eq!(x, 2)", "assert!(true)"),
            (RUST, "assert_eq!(x, 2)", "assert_eq!(2, 2)"),
            (RUST, "assert_eq!(x, 2)", "assert_eq!(x, x)"),
            (RUST, "assert!(f(2) > 2, \"small\")", "assert!(f(2) > 2 || true, \"small\")"),
            (JAVA, "assertTrue(g())", "assertTrue(true)"),
            (JAVA, "assertTrue(g())", "assertFalse(false)"),
            (JAVA, "assertEquals(2, f(1))", "assertEquals(2, 2)"),
            (CSHARP, "Assert.Equal(2, F(1))", "Assert.Equal(2, 2)"),
            (RUBY, "expect(f(1)).to eq(2)", "expect(true).to be true"),
            (RUBY, "expect(f(1)).to eq(2)", "expect(2).to eq(2)"),
            (MINITEST, "refute f(2)", "assert true"),
            (MINITEST, "assert_equal 2, f(1)", "assert_equal 2, 2"),
            (PHP, "self::assertTrue(g())", "self::assertTrue(true)"),
            (PHP, "$this->assertSame(2, f(1))", "$this->assertSame(2, 2)"),
            (CPP, "ASSERT_TRUE(g())", "ASSERT_TRUE(true)"),
            (CPP, "EXPECT_EQ(f(1), 2)", "EXPECT_EQ(2, 2)"),
            (CPP, "REQUIRE(f(2) == 3)", "REQUIRE(true)"),
        ],
        Some(FlagKind::TestWeakened),
    );
}

#[test]
fn a_test_set_aside_is_flagged() {
    check(
        &[
            (PYTHON, "def test_a", "@pytest.mark.skip\ndef test_a"),
            (PYTHON, "def test_a", "@pytest.mark.xfail(reason='x')\ndef test_a"),
            (PYTHON, "def test_a", "@unittest.skip('x')\ndef test_a"),
            (PYTHON, "    x = f(1)", "    pytest.skip('x')\n    x = f(1)"),
            (PYTHON, "import pytest", "import pytest\npytestmark = pytest.mark.skip"),
            (JAVASCRIPT, "it('adds'", "it.skip('adds'"),
            (JAVASCRIPT, "it('adds'", "xit('adds'"),
            (JAVASCRIPT, "it('adds'", "it.only('adds'"),
            (JAVASCRIPT, "describe('f'", "describe.skip('f'"),
            (JAVASCRIPT, "it('adds', ", "it('adds', { skip: true }, "),
            (GO, "\tif got", "\tt.Skip(\"later\")\n\tif got"),
            (GO, "package a", "//go:build never\n\npackage a"),
            (RUST, "#[test]\n", "#[test]\n#[ignore]\n"),
            (RUST, "#[test]\n", "#[test]\n#[cfg_attr(all(), ignore)]\n"),
            (RUST, "#[test]\n", "#[cfg(any())]\n#[test]\n"),
            (JAVA, "  @Test\n  void adds", "  @Disabled(\"x\")\n  @Test\n  void adds"),
            (JAVA, "    assertTrue(g());", "    assumeTrue(false);\n    assertTrue(g());"),
            (KOTLIN, "  @Test", "  @Ignore\n  @Test"),
            (CSHARP, "[Fact]", "[Fact(Skip = \"x\")]"),
            (CSHARP, "    Assert.Equal", "    Assert.Ignore();\n    Assert.Equal"),
            (RUBY, "it 'adds'", "xit 'adds'"),
            (RUBY, "it 'adds' do\n", "it 'adds' do\n    skip 'x'\n"),
            (RUBY, "it 'adds' do\n", "it 'adds', skip: true do\n"),
            (MINITEST, "    assert_equal", "    skip\n    assert_equal"),
            (PHP, "    $this->assertSame", "    $this->markTestSkipped();\n    $this->assertSame"),
            (CPP, "TEST(F, Adds) {", "TEST(F, DISABLED_Adds) {"),
            (CPP, "  EXPECT_EQ", "  GTEST_SKIP();\n  EXPECT_EQ"),
        ],
        Some(FlagKind::TestWeakened),
    );
}

#[test]
fn a_way_out_before_the_assertions_is_flagged() {
    check(
        &[
            (PYTHON, "    x = f(1)", "    return\n    x = f(1)"),
            (PYTHON, "import pytest", "import pytest, os\nos._exit(0)"),
            (PYTHON, "import pytest", "import pytest, sys\nsys.exit()"),
            (PYTHON, "    x = f(1)\n    assert x == 1", "    x = f(1)\n    if False:\n        assert x == 1"),
            (PYTHON, "    assert x == 1", "    try:\n        assert x == 1\n    except AssertionError:\n        pass"),
            (JAVASCRIPT, "    expect(f(1))", "    return;\n    expect(f(1))"),
            (JAVASCRIPT, "describe('f'", "process.exit(0);\ndescribe('f'"),
            (JAVASCRIPT, "expect(f(1)).toBe(2);", "try { expect(f(1)).toBe(2); } catch (e) {}"),
            (GO, "\tif got", "\treturn\n\tif got"),
            (GO, "\tif got", "\tos.Exit(0)\n\tif got"),
            (RUST, "    let x", "    return;\n    let x"),
            (RUST, "    let x", "    std::process::exit(0);\n    let x"),
            (RUST, "    assert_eq!(x, 2);", "    if false { assert_eq!(x, 2); }"),
            (JAVA, "    assertEquals", "    if (false) assertEquals"),
            (JAVA, "    assertEquals", "    System.exit(0);\n    assertEquals"),
            (CSHARP, "    Assert.Equal", "    return;\n    Assert.Equal"),
            (RUBY, "    expect(f(1))", "    return\n    expect(f(1))"),
            (MINITEST, "class ATest", "exit!\nclass ATest"),
            (PHP, "    $this->assertSame", "    return;\n    $this->assertSame"),
            (CPP, "  EXPECT_EQ", "  return;\n  EXPECT_EQ"),
        ],
        Some(FlagKind::TestWeakened),
    );
}

#[test]
fn a_gutted_test_is_found_behind_new_assertions_elsewhere() {
    let after = PYTHON.replace("    assert x == 1\n    assert x != 2, 'two'\n", "")
        + "\ndef test_c():\n    assert f(3)\n    assert f(4)\n    assert f(5)\n";
    assert_eq!(kind("tests/test_a.py", PYTHON, &after), Some(FlagKind::TestWeakened));
    let after = JAVASCRIPT.replace("expect(() => f()).toThrow();", "")
        + "it('new', () => { expect(f(9)).toBe(1); expect(f(8)).toBe(1); });";
    assert_eq!(kind("a.test.js", JAVASCRIPT, &after), Some(FlagKind::TestWeakened));
}

#[test]
fn honest_work_on_tests_is_not_flagged() {
    check(
        &[
            (PYTHON, "def test_b", "def test_c():\n    assert f(3) == 4\n\ndef test_b"),
            (PYTHON, "def test_a", "def test_renamed"),
            (PYTHON, "assert x != 2, 'two'", "assert (\n        x\n        != 2\n    ), 'two'"),
            (PYTHON, "    x = f(1)\n", "    # a comment\n    x = f(1)\n"),
            (PYTHON, "    x = f(1)\n", "    x = paginate(skip=1)\n    if not x:\n        return 1\n"),
            (PYTHON, "assert x == 1", "assert x == 1\n    assert True"),
            (PYTHON, "assert x == 1", "self.assertEqual(x, 1)"),
            (PYTHON, "assert x == 1", "mock.assert_called_with(1)"),
            (PYTHON, "assert x == 1", "assert f(x) == f(x)"),
            (PYTHON, "assert x == 1", "assert False, 'never'"),
            (
                JAVASCRIPT,
                "it('adds'",
                "it('also', async () => {\n    expect(await g()).toEqual({ a: 1 });\n  });\n\n  it('adds'",
            ),
            (JAVASCRIPT, "it('adds'", "test(\"sums\""),
            (JAVASCRIPT, "expect(f(1)).toBe(2);", "expect(\n      f(1)\n    )\n      .toBe(2);"),
            (JAVASCRIPT, "expect(f(1)).toBe(2);", "const xs = [1].map((x) => { return x; });\n    expect(xs).toBe(2);"),
            (GO, "func TestA", "func TestOther(t *testing.T) {\n\tassert.True(t, ok())\n}\n\nfunc TestA"),
            (GO, "t.Errorf(\"got %d\", got)", "t.Fatalf(\"got %d: %v\", got, err.Error())"),
            (RUST, "#[test]\n", "/// Adds.\n#[test]\n#[allow(dead_code)]\n"),
            (RUST, "fn adds()", "fn sums()"),
            (RUST, "assert!(f(2) > 2, \"small\");", "assert!(\n        f(2) > 2,\n        \"small\"\n    );"),
            (RUST, "assert_eq!(x, 2);", "match x { 2 => {}, _ => panic!(\"no\") }"),
            (JAVA, "@Test\n  void more", "@Test\n  void other() { assertNull(h()); }\n\n  @Test\n  void more"),
            (JAVA, "assertTrue(g());", "assertTrue(g(), \"g\");"),
            (CSHARP, "[InlineData(2)]", "[InlineData(2)]\n  [InlineData(3)]"),
            (CSHARP, "Adds()", "Sums()"),
            (RUBY, "it 'adds' do", "it 'sums' do"),
            (RUBY, "expect(f(1)).to eq(2)", "expect(f(1))\n      .to eq(2)"),
            (PHP, "testAdds", "testSums"),
            (PHP, "self::assertTrue(g());", "self::assertTrue(g()); # g"),
            (CPP, "EXPECT_EQ(f(1), 2);", "EXPECT_EQ(f(1), 2) << \"one\";"),
            (CPP, "TEST(F, Adds)", "TEST(F, Sums)"),
        ],
        None,
    );
}

#[test]
fn what_is_no_test_or_is_new_is_not_flagged() {
    assert_eq!(kind("src/a.py", PYTHON, ""), None);
    assert_eq!(kind("README.md", "assert", ""), None);
    assert_eq!(kind("src/lib.rs", "fn f() { assert!(x > 1) }", "fn f() {}"), None);
    assert_eq!(kind("src/lib.rs", RUST, "fn f() {}"), Some(FlagKind::TestWeakened));
    assert_eq!(compare("tests/test_a.py", None, Some(PYTHON.as_bytes())), None);
    assert_eq!(compare("tests/test_a.py", None, None), None);
}

#[test]
fn a_flag_says_what_was_lost() {
    let after =
        PYTHON.replace("assert x == 1\n", "assert True\n").replace("def test_b", "@pytest.mark.skip\ndef test_b");
    assert_eq!(compare("tests/test_a.py", Some(PYTHON.as_bytes()), Some(after.as_bytes())), Some(Flag {
        kind: FlagKind::TestWeakened,
        path: Some("tests/test_a.py".into()),
        detail: "2 assertions instead of 3; 1 more that cannot fail; 1 more skipped or set aside; an assertion cannot fail any more".into(),
    }));
}

fn files(all: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    all.iter().map(|(path, content)| ((*path).to_owned(), content.as_bytes().to_vec())).collect()
}

#[test]
fn a_file_that_moved_is_a_rename() {
    type Pairs<'a> = &'a [(&'a str, &'a str)];
    let rows: [(Pairs<'_>, Pairs<'_>, Pairs<'_>); 6] = [
        (&[("a", "x")], &[("b", "x")], &[("a", "b")]),
        (&[("a", "x")], &[("a", "x"), ("b", "x")], &[]),
        (&[("a", "x")], &[("b", "y")], &[]),
        (&[("a", "x"), ("b", "x")], &[("c", "x")], &[("a", "c")]),
        (&[("a", "x"), ("b", "x")], &[("c", "x"), ("d", "x")], &[("a", "c"), ("b", "d")]),
        (&[("a", "x"), ("b", "y")], &[("b", "x")], &[]),
    ];
    for (before, after, expected) in rows {
        let expected: Vec<(String, String)> =
            expected.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
        assert_eq!(renamed(&files(before), &files(after)), expected, "{before:?}");
    }
}

proptest! {
    #[test]
    fn a_file_is_never_weaker_than_itself_nor_by_a_comment(at in 0usize..11, lines in prop::collection::vec("[a-z ]{0,12}", 0..3)) {
        let (path, before) = ALL[at];
        let mark = if path.ends_with("py") || path.ends_with("rb") { "#" } else { "//" };
        let after: String = before.to_owned() + &lines.iter().map(|line| format!("{mark} {line}\n")).collect::<String>();
        prop_assert_eq!(kind(path, before, &after), None);
    }

    #[test]
    fn any_bytes_are_compared_without_a_panic(
        before in prop::collection::vec(any::<u8>(), 0..60), after in "[a-z(){}\\[\\]'\"`#@!.,;:= \n]{0,60}"
    ) {
        for (path, source) in ALL {
            compare(path, Some(&before), Some(after.as_bytes()));
            compare(path, Some(after.as_bytes()), Some(&before));
            compare(path, Some(source.as_bytes()), Some(after.as_bytes()));
        }
    }
}
