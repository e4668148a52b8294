//! What each runner prints, and the number of tests that passed.

use super::*;
use proptest::prelude::*;

fn check(rows: &[(&str, Option<u64>)]) {
    for (output, expected) in rows {
        assert_eq!(passed(output), *expected, "{output}");
    }
}

#[test]
fn python_runners_are_read() {
    check(&[
        ("....\n\n===== 4 passed in 0.12s =====\n", Some(4)),
        ("== 1 failed, 5 passed, 2 skipped, 3 warnings in 65.00s (0:01:05) ==", Some(5)),
        ("==== 2 failed in 0.1s ====", Some(0)),
        ("12 passed in 0.03s", Some(12)),
        ("1 failed, 12 passed, 1 xfailed, 1 xpassed, 1 error in 0.03s", Some(12)),
        ("\u{1b}[32m\u{1b}[1m5 passed\u{1b}[0m\u{1b}[32m in 0.01s\u{1b}[0m", Some(5)),
        ("no tests ran in 0.01s", Some(0)),
        ("1 error in 0.50s", Some(0)),
        ("3 skipped in 0.01s", Some(0)),
        ("1 passed in 0.1s\n...\n7 passed in 0.2s\n", Some(7)),
        ("----\nRan 5 tests in 0.001s\n\nOK\n", Some(5)),
        ("Ran 1 test in 0.001s\n\nOK (skipped=1)\n", Some(0)),
        ("Ran 9 tests in 0.1s\n\nFAILED (failures=1, errors=2, skipped=1, expected failures=1)", Some(4)),
        ("Ran 0 tests in 0.000s\n\nNO TESTS RAN\n", Some(0)),
        ("Ran 3 tests in 0.001s\n", None),
        ("OK\n", None),
    ]);
}

#[test]
fn rust_runners_are_read_over_all_binaries() {
    check(&[
        (
            "running 2 tests\ntest result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            Some(2),
        ),
        (
            "test result: ok. 2 passed; 0 failed; 0 ignored\ntest result: FAILED. 3 passed; 1 failed; 0 ignored\n",
            Some(5),
        ),
        ("     Summary [   0.012s] 5 tests run: 4 passed (1 slow), 1 failed, 2 skipped", Some(4)),
        ("     Summary [   1.1s] 3/5 tests run: 2 passed, 1 failed, 0 skipped", Some(2)),
        ("     Summary [   1.1s] 1 test run: 1 passed, 0 skipped", Some(1)),
    ]);
}

#[test]
fn go_is_read_where_it_names_its_tests() {
    check(&[
        ("ok  \texample.com/a\t0.01s\n", None),
        (
            "=== RUN   TestA\n--- PASS: TestA (0.00s)\n    --- PASS: TestA/one (0.00s)\n--- FAIL: TestB (0.0s)\nFAIL\n",
            Some(2),
        ),
        ("--- SKIP: TestA (0.00s)\nPASS\nok  \tx\t0.1s\n", Some(0)),
        (
            "{\"Action\":\"pass\",\"Package\":\"p\",\"Test\":\"TestA\"}\n{\"Action\":\"pass\",\"Package\":\"p\"}\n",
            Some(1),
        ),
    ]);
}

#[test]
fn javascript_runners_are_read() {
    check(&[
        (
            "Test Suites: 1 passed, 1 total\nTests:       1 failed, 5 passed, 6 total\nSnapshots:   2 passed, 2 total\nTime: 1 s",
            Some(5),
        ),
        ("Tests:       6 total\n", Some(0)),
        (" Test Files  2 passed (2)\n      Tests  1 failed | 5 passed (6)\n   Duration  1s", Some(5)),
        (
            "\u{1b}[2m      Tests \u{1b}[22m \u{1b}[1m\u{1b}[32m7 passed\u{1b}[39m\u{1b}[22m\u{1b}[90m (7)\u{1b}[39m",
            Some(7),
        ),
        ("TAP version 13\nok 1 - a\n1..1\n# tests 6\n# pass 5\n# fail 1\n", Some(5)),
        ("ℹ tests 6\nℹ suites 0\nℹ pass 6\nℹ fail 0\n", Some(6)),
        ("  a suite\n    ✓ works\n\n  5 passing (12ms)\n  1 pending\n  2 failing\n", Some(5)),
        ("  1 failed\n    a.spec.ts\n  5 passed (2.3s)\n", Some(5)),
        (" 5 pass\n 1 fail\n 9 expect() calls\n", Some(5)),
        ("ok | 5 passed | 0 failed (12ms)", Some(5)),
        ("FAILED | 4 passed | 1 failed (12ms)", Some(4)),
    ]);
}

#[test]
fn runners_of_the_java_and_php_families_are_read() {
    check(&[
        (
            "[INFO] Tests run: 5, Failures: 0, Errors: 0, Skipped: 1, Time elapsed: 0.1 s -- in a.ATest\n[INFO] \n[INFO] Results:\n[INFO] \n[WARNING] Tests run: 5, Failures: 0, Errors: 0, Skipped: 1\n",
            Some(4),
        ),
        (
            "[INFO] Tests run: 5, Failures: 0, Errors: 0, Skipped: 0\n[ERROR] Tests run: 3, Failures: 1, Errors: 1, Skipped: 0\n",
            Some(6),
        ),
        (
            "Tests run: 2, Failures: 0, Errors: 0, Skipped: 0, Time elapsed: 0.1 s\nTests run: 3, Failures: 0, Errors: 0, Skipped: 0, Time elapsed: 0.1 s\n",
            Some(5),
        ),
        ("[         5 tests successful      ]\n[         1 tests failed          ]", Some(5)),
        ("OK (5 tests, 9 assertions)", Some(5)),
        ("OK (1 test)", Some(1)),
        ("FAILURES!\nTests: 5, Assertions: 9, Failures: 1, Skipped: 1.\n", Some(3)),
        ("OK, but there were issues!\nTests: 5, Assertions: 9, Warnings: 1, Risky: 1.", Some(4)),
        ("No tests executed!", Some(0)),
        ("  Tests:    1 failed, 5 passed (9 assertions)\n  Duration: 0.1s", Some(5)),
        (
            "Passed!  - Failed:     0, Passed:     5, Skipped:     0, Total:     5, Duration: 9 ms - a.dll\nFailed!  - Failed:     1, Passed:     2, Skipped:     0, Total:     3",
            Some(7),
        ),
        ("Test summary: total: 5, failed: 1, succeeded: 4, skipped: 0, duration: 0.5s", Some(4)),
    ]);
}

#[test]
fn runners_of_ruby_and_elixir_are_read() {
    check(&[
        ("Finished in 0.1 seconds\n5 examples, 0 failures\n", Some(5)),
        ("5 examples, 1 failure, 1 pending, 1 error occurred outside of examples", Some(2)),
        ("1 example, 0 failures", Some(1)),
        ("5 runs, 9 assertions, 1 failures, 1 errors, 1 skips", Some(2)),
        ("5 tests, 9 assertions, 0 failures, 0 errors, 0 pendings, 1 omissions, 0 notifications", Some(4)),
        ("2 doctests, 5 tests, 1 failure, 1 skipped", Some(5)),
    ]);
}

#[test]
fn runners_of_c_and_plain_protocols_are_read() {
    check(&[
        ("100% tests passed, 0 tests failed out of 5\n\nTotal Test time (real) =   0.01 sec", Some(5)),
        ("80% tests passed, 1 tests failed out of 5", Some(4)),
        ("[==========] 3 tests ran.\n[  PASSED  ] 3 tests.\n[  PASSED  ] 1 test.\n", Some(4)),
        ("[  PASSED  ] 2 tests.\n[  FAILED  ] 1 test, listed below:\n[  FAILED  ] A.b\n", Some(2)),
        ("All tests passed (9 assertions in 5 test cases)", Some(5)),
        ("test cases:  6 |  5 passed | 1 failed\nassertions: 10 |  9 passed | 1 failed", Some(5)),
        ("1..4\nok 1 - a\nnot ok 2 - b\nok 3 - c # SKIP no net\nok 4\n", Some(2)),
        ("ok 1 a\n    ok 1 - nested\nok 2 b\n1..2\n", Some(2)),
        ("ok 1 a\nok 2 b\n", None),
        ("TAP version 14\n1..0 # SKIP all\n", Some(0)),
        ("5 passed, 1 failed", Some(5)),
        ("3 passed; 0 failed", Some(3)),
        ("passed: 5, failed: 1", Some(5)),
        ("8 tests passed", Some(8)),
    ]);
}

#[test]
fn what_is_no_summary_says_nothing() {
    check(&[
        ("", None),
        ("all good", None),
        ("the 5 passed ships, 2 failed sails", None),
        ("compiled 12 files", None),
        ("1 error generated.", None),
        ("5 passengers, 2 failed", None),
        ("Test Suites: 1 passed, 1 total", None),
        ("99999999999999999999999 passed", None),
    ]);
}

#[test]
fn the_last_runner_to_speak_counts() {
    check(&[
        ("9 passed in 0.1s\ntest result: ok. 2 passed; 0 failed; 0 ignored\n", Some(2)),
        ("test result: ok. 2 passed; 0 failed; 0 ignored\n9 passed in 0.1s\n", Some(9)),
    ]);
}

#[test]
fn fewer_tests_than_on_the_base_have_a_reason() {
    let rows = [
        (None, None, None),
        (None, Some(3), None),
        (Some(0), None, None),
        (Some(5), Some(5), None),
        (Some(5), Some(6), None),
        (Some(5), Some(4), Some("4 tests passed, 5 on the base")),
        (Some(5), Some(0), Some("0 tests passed, 5 on the base")),
        (Some(5), None, Some("5 tests passed on the base, and none is reported")),
    ];
    for (base, candidate, reason) in rows {
        assert_eq!(fewer_than_base(base, candidate).as_deref(), reason);
    }
}

proptest! {
    #[test]
    fn any_output_is_read_without_a_panic(output in "[\\PC\n\u{1b}]{0,80}") {
        passed(&output);
    }

    #[test]
    fn colours_and_what_comes_before_do_not_change_the_count(count in 0u64..10_000, noise in "[a-z \n]{0,40}") {
        let output = format!("{noise}\n\u{1b}[32m=== {count} passed in 0.1s ===\u{1b}[0m\n");
        prop_assert_eq!(passed(&output), Some(count));
    }
}
