//! Where a waiting job stands beside others, in the figures that fair share compares.
//!
//! The place is what would be served before it if slots came free one after another while nothing ends and nothing new
//! comes. Limits of tenants and sessions count; those of engines do not, for they differ from job to job.

use super::limits::Running;
use super::share::Weight;
use super::{Place, Queue};
use crate::id::{JobId, Tenant, WorkerId};
use crate::job::{HEAD_START, Job, MOST_PRIORITY, Millis, State};
use std::collections::BTreeMap;

/// Holders of slots that are named.
pub const MOST_NAMED: usize = 12;

/// One tenant or one session in the comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    pub name: String,
    pub running: u32,
    pub weight: u32,
    /// When its use is worked off, see [`super::Account`].
    pub mark: Millis,
    /// Of a session: how much earlier its priority lets it count.
    pub head_start: Millis,
    pub served: u64,
    /// Its jobs that are due, as far as its own limit lets them run.
    pub waiting: u32,
}

/// Who holds a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub job: JobId,
    pub tenant: Tenant,
    pub worker: WorkerId,
    pub since: Millis,
}

/// The slots that a waiting job waits for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Held {
    /// At most [`MOST_NAMED`], those of its own tenant first; by their ids.
    pub named: Vec<Holder>,
    pub of_tenant: u32,
    pub of_others: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub tenant: Standing,
    pub session: Standing,
    /// Jobs of its own session that go first, of other sessions of its tenant, and of other tenants.
    pub of_session: u32,
    pub of_sessions: u32,
    pub of_tenants: u32,
    /// The sessions and how many other tenants these jobs are of.
    pub sessions_ahead: Vec<Standing>,
    pub tenants_ahead: u32,
    pub held: Held,
}

impl Standing {
    /// What a claim compares first, when `more` of its jobs run than do now.
    fn turn(&self, more: u32) -> (u64, Millis) {
        let share = Weight::new(self.weight).share(self.running.saturating_add(more));
        (share, self.mark.saturating_sub(self.head_start))
    }

    /// Whether it is served before another one, when `more` of its own jobs run than do now and `theirs` of the other's.
    fn goes_before(&self, mut more: u32, other: &Self, mut theirs: u32) -> bool {
        loop {
            let order = self.turn(more).cmp(&other.turn(theirs));
            if order.is_ne() {
                return order.is_lt();
            }
            // Then whoever was served longer ago: now, or by these very jobs, in the order in which they were given.
            match (more, theirs) {
                (0, 0) => return (self.served, &self.name) < (other.served, &other.name),
                (0, _) => return true,
                (_, 0) => return false,
                _ => (more, theirs) = (more - 1, theirs - 1),
            }
        }
    }

    /// How many of its jobs are served before another one, `theirs` of whose jobs were given by then.
    fn before(&self, other: &Self, theirs: u32) -> u32 {
        // Its share grows with every job, so the answer lies where the comparison turns.
        let (mut least, mut most) = (0, self.waiting);
        while least < most {
            let middle = least + (most - least) / 2;
            if self.goes_before(middle, other, theirs) { least = middle + 1 } else { most = middle }
        }
        least
    }

    /// Slot time that it had, by its weight, and that it has not worked off yet.
    pub fn used(&self, now: Millis) -> Millis {
        self.mark.saturating_sub(now)
    }
}

impl Line {
    /// `of_session` jobs of its own session arrived before it; the others are every tenant and session that could be served.
    pub fn new(
        (tenant, session, of_session): (Standing, Standing, u32),
        other_tenants: &[Standing],
        other_sessions: &[Standing],
        held: Held,
    ) -> Self {
        let ahead = |others: &[Standing], one: &Standing, given| -> Vec<(Standing, u32)> {
            let counted = others.iter().map(|other| (other.clone(), other.before(one, given)));
            counted.filter(|(_, jobs)| *jobs > 0).collect()
        };
        let total = |ahead: &[(Standing, u32)]| ahead.iter().fold(0_u32, |sum, (_, jobs)| sum.saturating_add(*jobs));
        let sessions = ahead(other_sessions, &session, of_session);
        let of_sessions = total(&sessions);
        let tenants = ahead(other_tenants, &tenant, of_session.saturating_add(of_sessions));
        let of_tenants = total(&tenants);
        let mut sessions_ahead: Vec<Standing> = sessions.into_iter().map(|(one, _)| one).collect();
        sessions_ahead.sort_by_cached_key(|one| (one.turn(0), one.served, one.name.clone()));
        sessions_ahead.truncate(MOST_NAMED);
        let tenants_ahead = tenants.len() as u32;
        Self { tenant, session, of_session, of_sessions, of_tenants, sessions_ahead, tenants_ahead, held }
    }

    /// Jobs that are served before it.
    pub fn ahead(&self) -> u32 {
        self.of_session.saturating_add(self.of_sessions).saturating_add(self.of_tenants)
    }
}

impl Queue {
    /// Of a job that waits and is due; nothing of any other.
    pub fn line(&self, id: &JobId, now: Millis) -> Option<Line> {
        let place = self.places.get(id)?;
        let due = |place: &Place| matches!(place.state, State::Queued { due } if due <= now);
        if !due(place) {
            return None;
        }
        let job = &place.job;
        let running = Running::count(self.places.values());
        let waiting: Vec<&Place> = self.places.values().filter(|place| due(place)).collect();
        let sessions = self.sessions_in_line(&waiting, &running);
        let tenants = self.tenants_in_line(&waiting, &sessions, &running);
        let own = |name: &str, all: &BTreeMap<&str, Standing>| all.get(name).cloned();
        let of_session =
            waiting.iter().filter(|other| other.job.session == job.session && other.arrived < place.arrived).count();
        let other_tenants: Vec<Standing> =
            tenants.values().filter(|one| one.name != job.tenant.as_str()).cloned().collect();
        let of_tenant =
            |name: &str| waiting.iter().any(|one| one.job.session.as_str() == name && one.job.tenant == job.tenant);
        let other_sessions: Vec<Standing> =
            sessions.values().filter(|one| one.name != job.session.as_str() && of_tenant(&one.name)).cloned().collect();
        let mine = (own(job.tenant.as_str(), &tenants)?, own(job.session.as_str(), &sessions)?, of_session as u32);
        Some(Line::new(mine, &other_tenants, &other_sessions, self.held(job, &running)))
    }

    fn sessions_in_line<'a>(&self, waiting: &[&'a Place], running: &Running<'_>) -> BTreeMap<&'a str, Standing> {
        let mut all = BTreeMap::new();
        for place in waiting {
            let (job, name) = (&place.job, place.job.session.as_str());
            let one = all.entry(name).or_insert_with(|| {
                let account = self.accounts(job).1;
                Standing {
                    name: name.to_owned(),
                    running: running.session(name),
                    weight: job.session_weight.clamp(1, 1_000),
                    mark: account.mark,
                    head_start: Millis::from(job.priority.min(MOST_PRIORITY)) * HEAD_START.as_millis() as Millis,
                    served: account.served,
                    waiting: 0,
                }
            });
            let room = job.session_limit.saturating_sub(one.running);
            one.waiting = (one.waiting + 1).min(room);
        }
        all
    }

    fn tenants_in_line<'a>(
        &self,
        waiting: &[&'a Place],
        sessions: &BTreeMap<&str, Standing>,
        running: &Running<'_>,
    ) -> BTreeMap<&'a str, Standing> {
        let of: BTreeMap<&str, &'a Place> = waiting.iter().map(|place| (place.job.session.as_str(), *place)).collect();
        let mut all: BTreeMap<&'a str, Standing> = BTreeMap::new();
        for (session, place) in of {
            let name = place.job.tenant.as_str();
            let limits = self.limits.of_tenant(name);
            let one = all.entry(name).or_insert_with(|| {
                let account = self.accounts(&place.job).0;
                Standing {
                    name: name.to_owned(),
                    running: running.tenant(name),
                    weight: limits.weight.clamp(1, 1_000),
                    mark: account.mark,
                    head_start: 0,
                    served: account.served,
                    waiting: 0,
                }
            });
            let more = sessions.get(session).map_or(0, |session| session.waiting);
            one.waiting = one.waiting.saturating_add(more).min(limits.running.saturating_sub(one.running));
        }
        all
    }

    /// The slots of the limit that holds this job back; of all of the fleet where none does.
    fn held(&self, job: &Job, running: &Running<'_>) -> Held {
        let limit = running.blocks(job, &self.limits);
        let (mut held, mut others) = (Held::default(), Vec::new());
        for place in self.places.values() {
            let State::Leased { worker, since, .. } = &place.state else { continue };
            if !self.limits.counts(limit.as_ref(), job, &place.job) {
                continue;
            }
            let (id, tenant) = (place.job.id.clone(), place.job.tenant.clone());
            let (count, named) = match tenant == job.tenant {
                true => (&mut held.of_tenant, &mut held.named),
                false => (&mut held.of_others, &mut others),
            };
            *count += 1;
            named.push(Holder { job: id, tenant, worker: worker.clone(), since: *since });
        }
        held.named.append(&mut others);
        held.named.truncate(MOST_NAMED);
        held
    }
}
