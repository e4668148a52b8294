//! Sessions: records, transitions and feeds.

use super::{Again, Call, Redis, class, encoded, engine, script, texts, trouble};
use crate::api::LOG;
use crate::sessions::has_ended;
use crate::store::port::{Records, Which};
use crate::store::{Committed, PAGE, Record, StoreError, Transition};
use arena_domain::id::{JobId, SessionId};
use arena_domain::job::{Job, Millis, Work};
use arena_proto::convert::Wire;
use arena_proto::v1;
use arena_runtime::token;
use async_trait::async_trait;
use prost::Message;
use redis::{FromRedisValue, Pipeline};

/// What a list of sessions shows of each.
type Row = (Option<String>, Option<String>, Option<String>, Option<u64>, Option<String>, Option<String>);

/// Items of a feed: where each stands, and the name and the bytes of its only field.
type Items = Vec<(String, (String, Vec<u8>))>;

/// Pieces of what the engines of one session print that are kept, and how long after the last one, in milliseconds.
const MOST_LOGS: &str = "1024";
const LOGS_KEPT_MS: &str = "3600000";

#[async_trait]
impl Records for Redis {
    async fn create(&self, head: v1::SessionHead, title: String) -> Result<(), StoreError> {
        let created = head.created.to_string();
        let mut args = texts([&token::nonce(), &head.id, &head.tenant, &created, &title, &head.repository]);
        args.push(head.encode_to_vec());
        let new: bool = self.write(Call::new(&script::CREATE, head.created, args)).await?;
        if new { Ok(()) } else { Err(StoreError::Record(format!("there is a session '{}' already", head.id))) }
    }

    async fn record(&self, id: &SessionId) -> Result<Record, StoreError> {
        let call = Call::new(&script::RECORD, 0, texts([id.as_str()]));
        let (version, head, bodies): (Option<u64>, Option<Vec<u8>>, Vec<Vec<u8>>) = self.read(call).await?;
        let (Some(version), Some(head)) = (version, head) else { return Err(StoreError::NotFound(id.to_string())) };
        let events = bodies.iter().map(|body| v1::SessionEvent::decode(body.as_slice())).collect::<Result<_, _>>()?;
        Ok(Record { head: v1::SessionHead::decode(head.as_slice())?, version, events })
    }

    async fn commit(&self, transition: Transition) -> Result<Committed, StoreError> {
        let script = if transition.settle.is_some() { &script::COMPLETE } else { &script::COMMIT };
        let (session, now) = (transition.session.to_string(), transition.now);
        let answer: Vec<String> = self.write(Call::new(script, now, arguments(transition))).await?;
        let (word, rest) = answer.split_first().ok_or_else(|| StoreError::Record("no answer".into()))?;
        match word.as_str() {
            "done" => {
                let mut stop: Vec<JobId> = rest.iter().map(JobId::new).collect();
                stop.sort();
                Ok(Committed::Done { stop })
            }
            "conflict" => Ok(Committed::Conflict),
            "stale" => Ok(Committed::Stale),
            "repeated" => Ok(Committed::Repeated),
            "unknown" => Err(StoreError::NotFound(session)),
            other => Err(StoreError::Record(format!("the script answered '{other}'"))),
        }
    }

    async fn touch(&self, ids: Vec<SessionId>, now: Millis) -> Result<(), StoreError> {
        let args = ids.iter().map(|id| id.as_str().as_bytes().to_vec()).collect();
        let _: u64 = self.read(Call::new(&script::TOUCH, now, args)).await?;
        Ok(())
    }

    async fn touched(&self, id: &SessionId) -> Result<Millis, StoreError> {
        let mut pipe = redis::pipe();
        pipe.cmd("HGET").arg(self.key(&format!("s:{}", encoded(id.as_str())))).arg("touched");
        let (touched,): (Option<u64>,) = self.looked(&pipe).await?;
        touched.ok_or_else(|| StoreError::NotFound(id.to_string()))
    }

    async fn resolve(&self, prefix: &str) -> Result<SessionId, StoreError> {
        let mut pipe = redis::pipe();
        let after = [prefix.as_bytes(), &[0xff]].concat();
        pipe.cmd("ZRANGEBYLEX").arg(self.key("ids")).arg(bound(prefix.as_bytes())).arg(bound(&after));
        let (mut ids,): (Vec<String>,) = self.looked(&pipe).await?;
        match ids.as_slice() {
            [one] if !prefix.is_empty() => Ok(SessionId::new(one)),
            many if many.iter().any(|id| id == prefix) => Ok(SessionId::new(prefix)),
            [] => Err(StoreError::NotFound(prefix.to_owned())),
            _ => {
                ids.sort();
                Err(StoreError::Ambiguous(prefix.to_owned(), ids.join(", ")))
            }
        }
    }

    async fn sessions(&self, which: Which) -> Result<Vec<v1::Summary>, StoreError> {
        match which {
            Which::UnderWay => {
                let mut pipe = redis::pipe();
                pipe.cmd("SMEMBERS").arg(self.key("under_way"));
                let (ids,): (Vec<String>,) = self.looked(&pipe).await?;
                let mut all = self.summaries(&ids).await?;
                // One may have ended since.
                all.retain(|one| !has_ended(&one.status));
                all.sort_by(|one, other| (other.created, &other.id).cmp(&(one.created, &one.id)));
                Ok(all)
            }
            Which::Older { than, most } => self.older(than, most as usize).await,
        }
    }

    async fn prune(&self, id: &SessionId) -> Result<bool, StoreError> {
        self.write(Call { again: Again::Never, ..Call::new(&script::PRUNE, 0, texts([id.as_str()])) }).await
    }

    async fn publish(&self, id: &SessionId, item: v1::FeedItem) -> Result<(), StoreError> {
        let mut args = vec![id.as_str().as_bytes().to_vec(), item.encode_to_vec()];
        if item.kind.starts_with(LOG) {
            args.extend(texts([MOST_LOGS, LOGS_KEPT_MS]));
        }
        let call = Call { again: Again::Never, ..Call::new(&script::PUBLISH, item.at, args) };
        let _: u64 = self.read(call).await?;
        Ok(())
    }

    async fn feed(&self, id: &SessionId, after: u64, most: u32) -> Result<Vec<v1::FeedItem>, StoreError> {
        let args = texts([id.as_str(), &after.to_string(), &most.to_string()]);
        let (told, printed): (Items, Items) = self.read(Call::new(&script::FEED, 0, args)).await?;
        let item = |(at, (_, body)): (String, (String, Vec<u8>))| {
            let seq = at.split('-').next().and_then(|seq| seq.parse().ok());
            let seq = seq.ok_or_else(|| StoreError::Record(format!("an item of a feed at '{at}'")))?;
            Ok(v1::FeedItem { seq, ..v1::FeedItem::decode(body.as_slice())? })
        };
        let mut all = told.into_iter().chain(printed).map(item).collect::<Result<Vec<_>, StoreError>>()?;
        all.sort_by_key(|item| item.seq);
        all.truncate(most as usize);
        Ok(all)
    }
}

impl Redis {
    /// Fewer than `most` only when there are no more. Those of one moment are in the order of their ids, so a page may begin among
    /// them; it is looked for by what was read last and never by how many that were, for some may be taken away meanwhile.
    async fn older(&self, mut than: Option<(Millis, SessionId)>, most: usize) -> Result<Vec<v1::Summary>, StoreError> {
        // With the one that it begins behind.
        let (mut all, mut limit) = (Vec::new(), most.saturating_add(1));
        loop {
            let newest = than.as_ref().map_or_else(|| "+inf".to_owned(), |(created, _)| created.to_string());
            let mut pipe = redis::pipe();
            pipe.cmd("ZRANGE").arg(self.key("sessions")).arg(newest).arg("-inf").arg("BYSCORE").arg("REV");
            pipe.arg("LIMIT").arg(0).arg(limit).arg("WITHSCORES");
            let (part,): (Vec<(String, f64)>,) = self.looked(&pipe).await?;
            let is_last = part.len() < limit;
            let is_older = |(id, at): &(String, f64)| {
                than.as_ref().is_none_or(|(created, than)| (*at as Millis, id.as_str()) < (*created, than.as_str()))
            };
            let part: Vec<(String, f64)> = part.into_iter().filter(is_older).collect();
            let Some((id, at)) = part.last() else {
                if is_last {
                    return Ok(all);
                }
                // More of one moment than that.
                limit = limit.saturating_mul(2);
                continue;
            };
            than = Some((*at as Millis, SessionId::new(id)));
            let ids: Vec<String> = part.into_iter().map(|(id, _)| id).collect();
            // Some that are listed may be no sessions any more.
            all.extend(self.summaries(&ids).await?);
            if is_last || all.len() >= most {
                all.truncate(most);
                return Ok(all);
            }
        }
    }

    /// In their order, without those that are not there any more.
    async fn summaries(&self, ids: &[String]) -> Result<Vec<v1::Summary>, StoreError> {
        let mut all = Vec::with_capacity(ids.len());
        // In parts, so that a long list does not hold up the server.
        for part in ids.chunks(PAGE as usize) {
            let mut pipe = redis::pipe();
            for id in part {
                let key = self.key(&format!("s:{}", encoded(id)));
                pipe.cmd("HMGET").arg(key).arg(&["title", "status", "winner", "created", "repository", "tenant"]);
            }
            let rows: Vec<Row> = self.looked(&pipe).await?;
            let summary = |(id, (title, status, winner, created, repository, tenant)): (&String, Row)| {
                Some(v1::Summary {
                    id: id.clone(),
                    title: title.unwrap_or_default(),
                    status: status?,
                    winner: winner.unwrap_or_default(),
                    created: created.unwrap_or_default(),
                    repository: repository.unwrap_or_default(),
                    tenant: tenant.unwrap_or_default(),
                })
            };
            all.extend(part.iter().zip(rows).filter_map(summary));
        }
        Ok(all)
    }

    /// Commands that only read.
    pub(super) async fn looked<T: FromRedisValue>(&self, pipe: &Pipeline) -> Result<T, StoreError> {
        let mut tried = 0;
        loop {
            let (mut open, _) = self.reads.connection().await?;
            tried += 1;
            match pipe.query_async(&mut open).await {
                Err(error) if trouble::leads_nowhere(&error) => {
                    self.reads.let_go().await;
                    if tried == 3 {
                        return Err(trouble::of(&error));
                    }
                    tokio::time::sleep(super::PAUSE * tried).await;
                }
                answer => return answer.map_err(|error| trouble::of(&error)),
            }
        }
    }
}

fn bound(text: &[u8]) -> Vec<u8> {
    [b"[".as_slice(), text].concat()
}

/// As `commit.lua` reads them.
fn arguments(transition: Transition) -> Vec<Vec<u8>> {
    let Transition { session, version, settle, event, enqueue, cancel, feed, status, winner, now: _ } = transition;
    let mut args = texts([&token::nonce(), session.as_str(), &version.to_string()]);
    args.push(event.encode_to_vec());
    let (job, fence) = settle.map_or_else(Default::default, |(job, fence)| (job.to_string(), fence.to_string()));
    let cancel = cancel.map_or("", |cancel| if cancel.engines_only { "engines" } else { "all" });
    args.extend(texts([&status, &winner, &job, &fence, cancel, &enqueue.len().to_string()]));
    args.extend(enqueue.iter().flat_map(of_job));
    args.extend(feed.iter().map(Message::encode_to_vec));
    args
}

fn of_job(job: &Job) -> Vec<Vec<u8>> {
    let (class, needs) = class::class(job);
    let home = job.home.as_ref().map(class::home).unwrap_or_default();
    let mut args = texts([job.id.as_str()]);
    args.push(job.to_wire().encode_to_vec());
    args.extend(texts([
        job.session.as_str(),
        job.tenant.as_str(),
        &engine(job.engine.as_deref()),
        if matches!(job.work, Work::Implement { .. }) { "1" } else { "0" },
        &job.session_limit.to_string(),
        &job.session_weight.clamp(1, 1_000).to_string(),
        &job.priority.to_string(),
        &class,
        &needs,
        &home,
    ]));
    args
}
