//! A module of Go.

use super::{Found, MOST_TOP_FILES, Manifest, everything, is_tests};
use crate::init::survey::Survey;

pub(super) fn look(survey: &Survey, _: Manifest<'_>, found: &mut Found) {
    found.endings.insert(".go");
    for name in survey.top_folders() {
        if !is_tests(name) && survey.holds(name, &[".go"]) {
            found.sources.insert(everything(name));
        }
    }
    let top = survey.top_files(".go").into_iter().filter(|path| !path.ends_with("_test.go"));
    found.sources.extend(top.take(MOST_TOP_FILES).map(str::to_owned));
    if survey.any_file(|path| path.ends_with("_test.go")) {
        found.tests.insert("**/*_test.go".into());
    }
    found.tests.extend(survey.top_folders().into_iter().filter(|name| is_tests(name)).map(everything));
    // A module without a package of its own, as one that only holds others: the commands would fail there.
    let nested =
        |path: &str| path.match_indices('/').any(|(end, _)| survey.has_file(&format!("{}/go.mod", &path[..end])));
    if survey.any_file(|path| path.ends_with(".go") && !nested(path)) {
        found.gate("build", "build", "go build ./...");
        found.gate("vet", "static", "go vet ./...");
        found.gate("tests", "test", "go test ./...");
    }
    found.setup.push("go mod download".into());
}
