//! Where a competitor may write.

/// Forbidden in every session unless the packet's `allowed` names the very path: manifests, locks, secrets, CI,
/// containers, build configuration.
pub const DEFAULT_FORBIDDEN: &[&str] = &[
    "**/Cargo.toml",
    "**/Cargo.lock",
    "**/package.json",
    "**/package-lock.json",
    "**/yarn.lock",
    "**/pnpm-lock.yaml",
    "**/go.mod",
    "**/go.sum",
    "**/pyproject.toml",
    "**/poetry.lock",
    "**/requirements*.txt",
    "**/setup.py",
    "**/setup.cfg",
    "**/Gemfile",
    "**/Gemfile.lock",
    "**/pom.xml",
    "**/build.gradle*",
    "**/.env",
    "**/.env.*",
    "**/*.pem",
    "**/*.key",
    "**/id_rsa*",
    "**/.netrc",
    "**/.npmrc",
    "**/.pypirc",
    ".github/**",
    ".gitlab-ci.yml",
    ".circleci/**",
    ".ci/**",
    "**/Jenkinsfile",
    "**/Dockerfile*",
    "**/docker-compose*",
    "**/.dockerignore",
    "**/Makefile",
    "**/CMakeLists.txt",
    "**/build.rs",
    "**/.cargo/**",
    "**/conftest.py",
    "**/sitecustomize.py",
    "**/usercustomize.py",
    // Beside the working directory these would be started instead of the runners of their names.
    "pytest.py",
    "pytest/**",
    "_pytest/**",
    "unittest.py",
    "unittest/**",
    "**/pytest.ini",
    "**/tox.ini",
    "**/.coveragerc",
    "**/*.pth",
    "**/.gitattributes",
    "**/.gitmodules",
    "**/jest.config.*",
    "**/vitest.config.*",
    "**/tsconfig*.json",
    "**/rust-toolchain*",
];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    pub allowed: Vec<String>,
    /// The user's own patterns; the defaults are joined in `scope::Lock`.
    pub forbidden: Vec<String>,
    /// Restored from the base before anything is evaluated.
    pub protected: Vec<String>,
    pub on_violation: OnViolation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnViolation {
    Revert,
    Disqualify,
}
