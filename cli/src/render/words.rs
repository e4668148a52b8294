//! Every label of every rendering, in English and Japanese, in one table.
//!
//! Sentences that the domain made (a reason, a rationale) have a table of their own (`sentences.rs`); text of engines is
//! shown as it came.

use arena_domain::measure::Verdict;
use arena_domain::outcome::{ChangeKind, Exit, FlagKind};
use arena_domain::packet::{GateKind, Language};
use arena_domain::standing::Status;

macro_rules! table {
    ($($word:ident: $english:literal, $japanese:literal;)*) => {
        /// One label. A sentence has its figures at `{0}`, `{1}`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Word { $($word),* }

        impl Word {
            #[cfg(test)]
            const ALL: &[Word] = &[$(Word::$word),*];

            pub(crate) fn to(self, language: Language) -> &'static str {
                match (self, language) {
                    $((Word::$word, Language::English) => $english, (Word::$word, Language::Japanese) => $japanese,)*
                }
            }
        }
    };
}

table! {
    // The page.
    Report: "Arena report", "Arena レポート";
    Session: "Session", "セッション";
    Status: "Status", "結果";
    Winner: "Winner", "勝者";
    Goal: "Goal", "目標";
    Base: "Base commit", "基準コミット";
    Started: "Started", "開始";
    Duration: "Duration", "所要時間";
    Paradigm: "Paradigm", "方式";
    Mode: "Mode", "モード";
    Reason: "Reason", "理由";
    Unknown: "unknown", "不明";
    None: "none", "なし";
    Yes: "yes", "はい";
    No: "no", "いいえ";
    UnknownFields: "Fields of the packet that are unknown", "パケットで不明とされた項目";
    BaseGates: "Gates on the base", "基準でのゲート";
    Cores: "Measured on", "計測環境";
    CoresOwn: "cores of their own", "専有コア";
    CoresShared: "shared cores: small differences may be noise", "共有コア：小さな差は雑音の可能性あり";
    // The scoreboard.
    Scoreboard: "Scoreboard", "順位表";
    Rank: "Rank", "順位";
    Competitor: "Competitor", "競技者";
    Engine: "Engine", "エンジン";
    Verdict: "Verdict", "判定";
    BaseToBest: "base → best", "基準 → 最良";
    Ratio: "Ratio to base", "基準比";
    Interval: "Interval", "信頼区間";
    TooFewSamples: "too few samples", "標本不足";
    Gates: "Gates", "ゲート";
    Flags: "Flags", "警告";
    Score: "Score", "評点";
    DisqualifiedFor: "Disqualified for", "失格理由";
    NoEntries: "No competitor left anything to compare.", "比較できる成果を残した競技者はいません。";
    Better: "better", "改善";
    Worse: "worse", "悪化";
    Same: "same", "同等";
    Inconclusive: "inconclusive", "判定不能";
    Disqualified: "disqualified", "失格";
    NotJudged: "not judged", "未判定";
    NotMeasured: "not measured", "未計測";
    StatusWinner: "winner", "勝者あり";
    StatusNoWinner: "no winner", "勝者なし";
    StatusFailed: "failed", "失敗";
    StatusCancelled: "cancelled", "中止";
    // The plots.
    PlotRounds: "Primary KPI by round, as a ratio to the base", "ラウンドごとの主要 KPI（基準比）";
    PlotPareto: "Primary KPI against engine time", "主要 KPI とエンジン時間";
    AxisRound: "Round", "ラウンド";
    AxisRatio: "Ratio to base", "基準比";
    AxisEngineSeconds: "Engine time (s)", "エンジン時間（秒）";
    AxisLines: "Lines changed", "変更行数";
    PlotParetoLines: "Primary KPI against lines changed", "主要 KPI と変更行数";
    LegendBase: "base", "基準";
    LegendKept: "kept", "採用";
    LegendReverted: "reverted", "取り消し";
    LegendFront: "Pareto front", "パレート前線";
    LegendDominated: "dominated", "被支配";
    LowerIsBetter: "lower is better", "低いほど良い";
    HigherIsBetter: "higher is better", "高いほど良い";
    NothingToPlot: "Nothing was measured.", "計測値がありません。";
    // Validity.
    Validity: "Validity checks", "妥当性の確認";
    ScopeKept: "Scope kept?", "範囲を守ったか";
    GatesPassed: "Gates passed?", "ゲート通過";
    TestsPassed: "Tests passed", "通過テスト数";
    HoldoutRatio: "Holdout ratio", "ホールドアウト比";
    Suspicious: "Suspicious?", "不審点";
    Reverted: "{0} put back", "{0} 件を復元";
    // Engines.
    Engines: "Relative performance of the engines", "エンジン間の比較";
    Competitors: "Competitors", "競技者数";
    Qualified: "Qualified", "有効";
    BestRatio: "Best ratio", "最良比";
    RoundsKept: "Rounds kept", "採用ラウンド";
    EngineTime: "Engine time", "エンジン時間";
    InputTokens: "Input tokens", "入力トークン";
    OutputTokens: "Output tokens", "出力トークン";
    Cost: "Cost", "費用";
    // Highlights.
    Highlights: "Technical highlights", "技術的な要点";
    WhatIsBetter: "Better", "良い点";
    WhatIsRisky: "Risky", "リスク";
    WhatIsMergeable: "Mergeable", "取り込み可否";
    FilesAndLines: "files: {0}, lines: +{1} −{2}", "{0} ファイル、+{1} −{2} 行";
    NothingChanged: "nothing was changed", "変更なし";
    SharesNoFile: "touches no file of", "変更ファイルが重ならない相手";
    BinaryFiles: "binary files: {0}", "バイナリ {0} 件";
    GateFailed: "gate {0} failed", "ゲート {0} が不合格";
    // Rounds.
    Rounds: "Rounds", "ラウンド";
    Round: "Round", "回";
    Commit: "Commit", "コミット";
    Kept: "Kept?", "採用";
    Why: "Why", "理由";
    Stopped: "Stopped because", "終了理由";
    BestRound: "best", "最良";
    NoRounds: "No round was run.", "ラウンドは実行されていません。";
    // Recommendation.
    Recommendation: "Recommendation", "推奨";
    Adopt: "Adopt", "採用対象";
    Combine: "Combine", "組み合わせ";
    AdoptNothing: "Adopt nothing.", "採用しないことを推奨します。";
    Rationale: "Rationale", "根拠";
    NextSteps: "Next steps", "次の手順";
    // Bundles.
    Bundles: "Submission bundles", "提出物";
    Summary: "Summary", "要約";
    Said: "In the engine's own words", "エンジンの発言";
    FilesChanged: "Files changed", "変更ファイル";
    File: "File", "ファイル";
    Change: "Change", "種別";
    Added: "Added", "追加行";
    Removed: "Removed", "削除行";
    Binary: "binary", "バイナリ";
    ChangeAdded: "added", "新規";
    ChangeModified: "modified", "変更";
    ChangeDeleted: "deleted", "削除";
    PutBack: "Put back, because out of scope", "範囲外のため復元";
    Branch: "Branch", "ブランチ";
    Bundle: "Bundle", "バンドル";
    Kpis: "KPIs", "KPI 一覧";
    Kpi: "KPI", "指標";
    Direction: "Better is", "良い方向";
    Lower: "lower", "低い";
    Higher: "higher", "高い";
    Baseline: "Base", "基準値";
    Best: "Best", "最良値";
    Delta: "Difference", "差";
    Scenarios: "Scenarios run", "実行シナリオ";
    RatioByScenario: "Ratio by scenario", "シナリオ別の基準比";
    Commands: "Exact commands", "実行コマンド";
    Gate: "Gate", "ゲート名";
    Kind: "Kind", "種類";
    Result: "Result", "合否";
    Command: "Command", "コマンド";
    Passed: "passed", "合格";
    Failed: "failed", "不合格";
    Optional: "not required", "任意";
    OutOfMemory: "out of memory", "メモリ不足";
    TimedOut: "timed out", "時間切れ";
    Killed: "killed", "強制終了";
    ExitCode: "exit {0}", "終了コード {0}";
    Usage: "Usage", "使用量";
    EngineEnded: "Engine ended", "エンジンの終了";
    Risks: "Risks", "リスク一覧";
    Next: "What next", "次にすること";
    // The continuation brief.
    Continuation: "Continuation brief", "引き継ぎ書";
    ContinuationIntro: "Go on from here. The figures below were measured by Arena, not by an engine.",
        "ここから続けてください。以下の数値はエンジンではなく Arena が計測したものです。";
    StartFrom: "Start from", "出発点";
    BestResult: "Best result", "最良の結果";
    NoBest: "No submission qualified; start from the base commit.",
        "有効な提出物がないため、基準コミットから始めてください。";
    Reproduce: "Reproduce the best score", "最良値の再現";
    FollowUps: "Top follow-ups", "優先する続きの作業";
    OpenRisks: "Open risks", "残るリスク";
    Acceptance: "Acceptance criteria", "受け入れ条件";
    // What a flag means.
    FlagScopeViolation: "changed paths outside the scope", "範囲外のパスを変更";
    FlagTestDeleted: "deleted a test", "テストを削除";
    FlagTestWeakened: "weakened a test", "テストを弱体化";
    FlagProtectedChanged: "changed a protected path", "保護されたパスを変更";
    FlagHarnessChanged: "changed the harness", "計測ハーネスを変更";
    FlagHoldoutGap: "gain is missing on the holdout", "ホールドアウトで改善が再現しない";
    FlagSingleScenarioGain: "gain on one scenario only", "一つのシナリオだけの改善";
    FlagScenarioMissing: "a scenario gave no figure", "シナリオの計測値が欠落";
    FlagTestsNotRun: "fewer tests ran than on the base", "基準より実行テストが少ない";
    FlagOutputSpoofed: "what judges it was deceived", "判定の仕組みを欺いた";
    FlagUsageMismatch: "usage differs from the broker's count", "使用量がブローカーの記録と不一致";
    FlagDecisionLogMissing: "decision log missing or malformed", "判断記録の欠落または不備";
    FlagBudgetExceeded: "went over its budget", "予算を超過";
    FlagOom: "ran out of memory", "メモリが不足";
    FlagSurvivor: "left a process running", "プロセスを残した";
    FlagUntestedEngine: "a version of the engine that is untested", "未検証のバージョンのエンジン";
    FlagOtherModel: "asked another model", "別のモデルに問い合わせた";
    // Kinds of gates.
    GateLint: "lint", "静的整形";
    GateBuild: "build", "ビルド";
    GateTest: "test", "テスト";
    GateStatic: "static", "静的解析";
    GateReview: "review", "レビュー";
    GateCustom: "custom", "独自";
}

impl Word {
    /// The sentence with its figures. One pass, so that a figure that holds `{1}` stays as it is.
    pub(crate) fn fill(self, language: Language, figures: &[&str]) -> String {
        let mut rest = self.to(language);
        let mut sentence = String::with_capacity(rest.len() + 16);
        while let Some((before, after)) = rest.split_once('{') {
            sentence.push_str(before);
            let (index, tail) = after.split_once('}').unwrap_or((after, ""));
            let figure = index.parse::<usize>().ok().and_then(|index| figures.get(index));
            sentence.push_str(figure.copied().unwrap_or_default());
            rest = tail;
        }
        sentence.push_str(rest);
        sentence
    }

    pub(crate) fn yes(answer: bool) -> Self {
        if answer { Self::Yes } else { Self::No }
    }

    pub(crate) fn status(status: Status) -> Self {
        match status {
            Status::Winner => Self::StatusWinner,
            Status::NoWinner => Self::StatusNoWinner,
            Status::Inconclusive => Self::Inconclusive,
            Status::Failed => Self::StatusFailed,
            Status::Cancelled => Self::StatusCancelled,
        }
    }

    pub(crate) fn verdict(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Better => Self::Better,
            Verdict::Worse => Self::Worse,
            Verdict::Same => Self::Same,
            Verdict::Inconclusive => Self::Inconclusive,
        }
    }

    pub(crate) fn change(kind: ChangeKind) -> Self {
        match kind {
            ChangeKind::Added => Self::ChangeAdded,
            ChangeKind::Modified => Self::ChangeModified,
            ChangeKind::Deleted => Self::ChangeDeleted,
        }
    }

    pub(crate) fn gate(kind: GateKind) -> Self {
        match kind {
            GateKind::Lint => Self::GateLint,
            GateKind::Build => Self::GateBuild,
            GateKind::Test => Self::GateTest,
            GateKind::Static => Self::GateStatic,
            GateKind::Review => Self::GateReview,
            GateKind::Custom => Self::GateCustom,
        }
    }

    /// How a command ended, in words.
    pub(crate) fn exit(exit: Exit, language: Language) -> String {
        match exit {
            Exit::Code(code) => Self::ExitCode.fill(language, &[&code.to_string()]),
            Exit::OutOfMemory => Self::OutOfMemory.to(language).into(),
            Exit::DeadlinePassed => Self::TimedOut.to(language).into(),
            Exit::Cancelled => Self::StatusCancelled.to(language).into(),
            Exit::Killed => Self::Killed.to(language).into(),
        }
    }

    pub(crate) fn flag(kind: FlagKind) -> Self {
        match kind {
            FlagKind::ScopeViolation => Self::FlagScopeViolation,
            FlagKind::TestDeleted => Self::FlagTestDeleted,
            FlagKind::TestWeakened => Self::FlagTestWeakened,
            FlagKind::ProtectedChanged => Self::FlagProtectedChanged,
            FlagKind::HarnessChanged => Self::FlagHarnessChanged,
            FlagKind::HoldoutGap => Self::FlagHoldoutGap,
            FlagKind::SingleScenarioGain => Self::FlagSingleScenarioGain,
            FlagKind::ScenarioMissing => Self::FlagScenarioMissing,
            FlagKind::TestsNotRun => Self::FlagTestsNotRun,
            FlagKind::OutputSpoofed => Self::FlagOutputSpoofed,
            FlagKind::UsageMismatch => Self::FlagUsageMismatch,
            FlagKind::DecisionLogMissing => Self::FlagDecisionLogMissing,
            FlagKind::BudgetExceeded => Self::FlagBudgetExceeded,
            FlagKind::Oom => Self::FlagOom,
            FlagKind::Survivor => Self::FlagSurvivor,
            FlagKind::UntestedEngine => Self::FlagUntestedEngine,
            FlagKind::OtherModel => Self::FlagOtherModel,
        }
    }
}

/// The tag of a language, for `<html lang>`.
pub(crate) fn tag(language: Language) -> &'static str {
    match language {
        Language::English => "en",
        Language::Japanese => "ja",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holes(text: &str) -> Vec<&str> {
        let mut holes: Vec<&str> = text.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect();
        holes.sort_unstable();
        holes
    }

    #[test]
    fn no_label_is_missing_or_left_untranslated() {
        for word in Word::ALL {
            let (english, japanese) = (word.to(Language::English), word.to(Language::Japanese));
            assert!(!english.trim().is_empty() && !japanese.trim().is_empty(), "{word:?}");
            assert_ne!(english, japanese, "{word:?}");
            assert!(english.chars().all(|c| c.is_ascii() || "→−…".contains(c)), "{word:?}: {english}");
            assert!(!japanese.is_ascii(), "{word:?}: {japanese}");
        }
    }

    #[test]
    fn both_languages_have_a_place_for_the_same_figures() {
        for word in Word::ALL {
            assert_eq!(holes(word.to(Language::English)), holes(word.to(Language::Japanese)), "{word:?}");
        }
    }

    #[test]
    fn a_figure_that_looks_like_a_place_is_not_filled_again() {
        let sentence = Word::FilesAndLines.fill(Language::English, &["{1}", "2", "3"]);
        assert_eq!(sentence, "files: {1}, lines: +2 −3");
    }

    #[test]
    fn no_two_flags_read_alike() {
        for language in [Language::English, Language::Japanese] {
            let mut said: Vec<&str> = FlagKind::ALL.map(|kind| Word::flag(kind).to(language)).to_vec();
            said.sort_unstable();
            said.dedup();
            assert_eq!(said.len(), FlagKind::ALL.len());
        }
    }
}
