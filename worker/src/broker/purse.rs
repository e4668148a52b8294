//! One budget of dollars or of tokens, shared by requests that run at once; pure.
//!
//! The law: what is spent passes the limit by no more than one answer. A request sets aside what it may cost before it is
//! sent. When its share does not fit, it waits for those in flight; when none is, it goes alone with all that is left. An
//! answer that only seems to outgrow its share runs on as long as it is the only one that may pass the limit.

use std::collections::BTreeMap;

#[derive(Debug, Clone)]
pub(crate) struct Purse {
    limit: f64,
    /// By answers that are settled.
    pub(super) spent: f64,
    /// By ticket.
    aside: BTreeMap<u64, f64>,
    /// The one answer that may pass the limit.
    over: Option<u64>,
    next: u64,
}

/// What a request may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Under this ticket, which is to be settled.
    Go(u64),
    /// Until another one is settled.
    Wait,
    /// Nothing is left.
    Empty,
}

impl Purse {
    pub(crate) fn new(limit: f64, spent: f64) -> Self {
        Self { limit, spent, aside: BTreeMap::new(), over: None, next: 0 }
    }

    fn set_aside(&self) -> f64 {
        self.aside.values().sum()
    }

    /// For a request that costs no more than `estimate`.
    pub(crate) fn ask(&mut self, estimate: f64) -> Answer {
        let left = self.limit - self.spent;
        if left <= 0.0 {
            return Answer::Empty;
        }
        let fits = self.set_aside() + estimate <= left;
        if !fits && !self.aside.is_empty() {
            return Answer::Wait;
        }
        self.next += 1;
        self.over = (!fits).then_some(self.next);
        self.aside.insert(self.next, estimate.min(left));
        Answer::Go(self.next)
    }

    /// The answer seems to cost `running` already, and surely costs `certain`; more is set aside for it when need be.
    /// `false`: it must end.
    pub(crate) fn covers(&mut self, ticket: u64, running: f64, certain: f64) -> bool {
        let Some(own) = self.aside.get(&ticket).copied() else { return false };
        if running <= own {
            return true;
        }
        let left = self.limit - self.spent - (self.set_aside() - own);
        if running <= left {
            self.aside.insert(ticket, running.max(own));
            return true;
        }
        // Where less is left than the share, another has passed the limit before.
        let is_free = self.over.is_none() && left >= own;
        if certain > left || !(is_free || self.over == Some(ticket)) {
            return false;
        }
        // Nobody else can begin or grow now, so whatever it comes to, it is the only one.
        self.over = Some(ticket);
        self.aside.insert(ticket, own.max(left));
        true
    }

    /// Once for a ticket; a second time changes nothing.
    pub(crate) fn settle(&mut self, ticket: u64, cost: f64) {
        if self.aside.remove(&ticket).is_some() {
            self.spent += cost;
            self.over = self.over.filter(|over| *over != ticket);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_share_that_does_not_fit_waits_and_then_goes_alone() {
        let mut purse = Purse::new(1.0, 0.0);
        assert_eq!(purse.ask(0.6), Answer::Go(1));
        assert_eq!(purse.ask(0.6), Answer::Wait);
        purse.settle(1, 0.5);
        assert_eq!(purse.ask(0.6), Answer::Go(2), "nothing is in flight and money is left");
        assert_eq!(purse.ask(0.01), Answer::Wait);
        purse.settle(2, 0.55);
        assert_eq!(purse.ask(0.01), Answer::Empty);
    }

    #[test]
    fn a_running_answer_may_take_what_nobody_set_aside() {
        let mut purse = Purse::new(1.0, 0.0);
        let (one, other) = (purse.ask(0.2), purse.ask(0.5));
        assert_eq!((one, other), (Answer::Go(1), Answer::Go(2)));
        assert!(purse.covers(1, 0.5, 0.5));
        assert!(!purse.covers(1, 0.51, 0.51), "that is certain");
        assert!(!purse.covers(7, 0.0, 0.0), "no ticket, no money");
        purse.settle(2, 0.1);
        assert!(purse.covers(1, 0.9, 0.9));
    }

    #[test]
    fn an_answer_is_not_cut_by_a_guess_alone_and_only_one_may_seem_to_pass() {
        let mut purse = Purse::new(1.0, 0.0);
        assert_eq!((purse.ask(0.5), purse.ask(0.5)), (Answer::Go(1), Answer::Go(2)));
        assert!(purse.covers(1, 5.0, 0.4), "it may still fit");
        assert!(!purse.covers(2, 0.6, 0.4), "two could pass the limit");
        assert!(purse.covers(2, 0.5, 0.5), "its own share is its own");
        assert_eq!(purse.ask(0.01), Answer::Wait);
        assert!(!purse.covers(1, 5.0, 0.51));
        purse.settle(1, 0.4);
        assert!(purse.covers(2, 0.7, 0.1), "the place is free again");
    }

    #[derive(Debug, Clone)]
    enum Step {
        Ask {
            estimate: f64,
            share: f64,
        },
        /// By so much, and seemingly by so many times that.
        Grow(usize, f64, f64),
        Settle(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0.0..0.8f64, 0.0..=1.0f64).prop_map(|(estimate, share)| Step::Ask { estimate, share }),
            (0usize..4, 0.0..0.3f64, 1.0..4.0f64).prop_map(|(at, more, seems)| Step::Grow(at, more, seems)),
            (0usize..4).prop_map(Step::Settle),
        ]
    }

    proptest! {
        #[test]
        fn a_budget_is_passed_by_no_more_than_one_answer(
            whole: bool, limit in 0.01..3.0f64, steps in prop::collection::vec(step(), 0..80)
        ) {
            // Of dollars, or of tokens, which are many.
            let scaled = |amount: f64| if whole { (amount * 1000.0).round() } else { amount };
            let limit = scaled(limit).max(0.01);
            let mut purse = Purse::new(limit, 0.0);
            let mut flying: Vec<(u64, f64)> = Vec::new();
            let mut dearest = 0.0f64;
            let mut end = |purse: &mut Purse, (ticket, cost): (u64, f64)| {
                dearest = dearest.max(cost);
                purse.settle(ticket, cost);
                purse.settle(ticket, cost);
            };
            for step in steps {
                match step {
                    Step::Ask { estimate, share } => match purse.ask(scaled(estimate)) {
                        Answer::Go(ticket) => flying.push((ticket, scaled(estimate) * share)),
                        Answer::Wait => prop_assert!(!flying.is_empty(), "nobody waits for nothing"),
                        Answer::Empty => prop_assert!(purse.spent >= limit),
                    },
                    Step::Grow(at, more, seems) if at < flying.len() => {
                        let (ticket, cost) = flying[at];
                        let more = scaled(more);
                        if purse.covers(ticket, (cost + more) * seems, (cost + more) / 2.0) {
                            flying[at].1 = cost + more;
                        } else {
                            end(&mut purse, flying.remove(at));
                        }
                    }
                    Step::Settle(at) if at < flying.len() => end(&mut purse, flying.remove(at)),
                    Step::Grow(..) | Step::Settle(_) => {}
                }
            }
            for one in flying {
                end(&mut purse, one);
            }
            prop_assert!(purse.spent <= limit + dearest + 1e-9, "{} of {}, dearest {}", purse.spent, limit, dearest);
        }
    }
}
