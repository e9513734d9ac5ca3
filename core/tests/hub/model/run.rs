//! Carries the steps out on a hub and on the model, and compares.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use distributary::{
    Budget, CloseReason, Filter, Hub, Lane, Overflow, Publication, PublishError, RecvError, Remote,
    Resume, ResumeErrorKind, Selector, SliceLimits, SubscribeError, SubscribeOptions, Subscription,
    Token, Topic, TryRecvError, Waking,
};

use super::{
    Change, Op, Want,
    check::{Check, Counts, Member, check_event},
    naive::{
        FILTERS, FeedKey, Fields, Form, HISTORY, KEPT, Next, PATTERNS, Published, Reader, TOPICS,
        World, keeps_history,
    },
};

/// The lanes of a run.
const LANES: usize = 2;

/// Counts how often it was woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A subscription that pulls.
struct Pull {
    sub: Subscription,
    reader: Reader,
    woken: Arc<Woken>,
    /// Parked, and to be woken by the next event it should get.
    parked: bool,
}

struct LaneState {
    lane: Lane,
    remote: Remote,
    /// In the middle of a large event, or with members taken in that it has not served.
    busy: bool,
    /// Something was published meanwhile.
    loose: bool,
    /// Has something to do that it has not done.
    dirty: bool,
    /// Members told to go on by the lane's remote: heard in the next turn.
    resuming: Vec<Token>,
}

pub(super) struct Run {
    hub: Hub,
    /// Another hub, to weigh events with.
    scale: (Hub, Subscription),
    world: World,
    pulls: Vec<Pull>,
    members: BTreeMap<Token, Member>,
    lanes: Vec<LaneState>,
    counts: Counts,
    names: usize,
    closed: bool,
}

impl Run {
    pub(super) fn new(slice: usize) -> Self {
        let keep = Budget::default().events(KEPT).unwrap();
        let hub = Hub::builder()
            .waking(Waking::Publisher)
            .history(HISTORY, keep)
            .unwrap()
            .build()
            .unwrap();
        let limits = SliceLimits::default()
            .deliveries(slice)
            .time(Duration::from_secs(3_600));
        let lane = || {
            let lane = Lane::with_limits(&hub, limits);
            LaneState {
                remote: lane.remote(),
                lane,
                busy: false,
                loose: false,
                dirty: false,
                resuming: Vec::new(),
            }
        };
        Run {
            lanes: std::iter::repeat_with(lane).take(LANES).collect(),
            scale: {
                let scale = Hub::new();
                let sub = scale.subscribe(Selector::pattern("*").unwrap()).unwrap();
                (scale, sub)
            },
            hub,
            world: World::default(),
            pulls: Vec::new(),
            members: BTreeMap::new(),
            counts: Counts::default(),
            names: 0,
            closed: false,
        }
    }

    pub(super) fn step(&mut self, op: Op) {
        match op {
            Op::Publish {
                topic,
                fields,
                key,
                size,
            } => self.publish(topic, fields, key, size),
            Op::Subscribe(want) => self.subscribe(&want),
            Op::Join { lane, remote, want } => self.join(lane % LANES, remote, &want),
            Op::JoinLike(member) => self.join_like(member),
            Op::Leave { member, remote } => self.leave(member, remote),
            Op::WillStall(member, taken) => {
                if let Some((_, member)) = self.member(member) {
                    member.will_take = Some(taken);
                }
            }
            Op::WillClose(member) => {
                if let Some((_, member)) = self.member(member) {
                    member.will_close = true;
                }
            }
            Op::Resume { member, remote } => self.resume(member, remote),
            Op::Turn(lane, turns) => self.turns(lane % LANES, turns),
            Op::Drain(lane) => self.drain(lane % LANES),
            Op::Stats => self.check_stats(),
            Op::Close => self.close(),
            Op::Unsubscribe(sub) => {
                if !self.pulls.is_empty() {
                    self.pulls.swap_remove(sub % self.pulls.len());
                }
            }
            Op::TryRecv(sub, times) => self.try_recv(sub, times),
            Op::Batch(sub, max) => self.batch(sub, max),
            Op::Park(sub) => self.park(sub),
            Op::Rename(sub, change) => self.rename(sub, change),
            Op::RenameMember(member, change) => self.rename_member(member, change),
        }
    }

    /// Everything is read, everybody leaves, and nothing stays behind.
    pub(super) fn end(mut self) {
        self.check_stats();
        for lane in 0..LANES {
            let tokens: Vec<Token> = self.members.keys().copied().collect();
            for token in tokens {
                let member = self.members.get_mut(&token).unwrap();
                if member.lane == lane && member.stalled {
                    member.stalled = false;
                    self.lanes[lane].lane.resume(member.id);
                }
            }
            self.drain(lane);
        }
        // From the back, for those that turn out closed are gone at once.
        for sub in (0..self.pulls.len()).rev() {
            self.try_recv(sub, usize::MAX);
        }
        self.check_stats();
        self.pulls.clear();
        self.members.clear();
        self.lanes.clear();
        self.check_stats();
        if !self.closed {
            let stats = self.hub.stats();
            let kept = (0..TOPICS.len()).filter(|topic| !self.world.of_topic(*topic).is_empty());
            let kept = kept.filter(|topic| keeps_history(*topic)).count();
            assert_eq!(stats.topics, kept, "topics that nobody needs: {stats:#?}");
        }
        self.hub.close();
        let stats = self.hub.stats();
        let alive = (
            stats.topics,
            stats.patterns,
            stats.feeds,
            stats.subscriptions,
        );
        assert_eq!(alive, (0, 0, 0, 0), "{stats:#?}");
        assert_eq!(stats.bytes_held, 0);
        assert_eq!(stats.closed_writes, 0);
    }

    fn readers(&self) -> impl Iterator<Item = &Reader> {
        let members = self.members.values().map(|member| &member.reader);
        self.pulls.iter().map(|pull| &pull.reader).chain(members)
    }

    fn publish(&mut self, topic: usize, fields: Fields, key: Option<u8>, size: usize) {
        let number = self.world.events.len();
        let Fields {
            id,
            x,
            tagged,
            form,
        } = fields;
        let kind = if x { "x" } else { "y" };
        let payload = match form {
            Form::Broken => format!("<{number}>"),
            Form::Attributes => format!("[{number}]"),
            Form::Json => {
                let tag = if tagged { r#", "tag": null"# } else { "" };
                format!(r#"{{"n": {number}, "id": {id}, "kind": "{kind}"{tag}}}"#)
            }
        };
        let payload = payload + &" ".repeat(size);
        let mut publication = Publication::new(TOPICS[topic], payload);
        if form == Form::Attributes {
            publication = publication.attribute("id", id).attribute("kind", kind);
            if tagged {
                publication = publication.attribute("tag", true);
            }
        }
        if let Some(key) = key {
            publication = publication.key(key.to_string());
        }
        let result = self.hub.publish_event(publication.clone());
        if self.closed {
            assert_eq!(result, Err(PublishError::Closed));
            return;
        }
        let delivery = result.unwrap();
        self.scale.0.publish_event(publication).unwrap();
        let weight = self.scale.1.try_recv().unwrap().weight();
        self.world.events.push(Published {
            topic,
            fields,
            key,
            weight,
            position: delivery.position,
        });
        self.lanes
            .iter_mut()
            .for_each(|lane| lane.loose |= lane.busy);

        let event = &self.world.events[number];
        let mut feeds: BTreeSet<FeedKey> = BTreeSet::new();
        let mut reached = 0;
        for reader in self.readers().filter(|reader| reader.wants(event)) {
            feeds.insert(reader.feed());
            reached += 1;
        }
        let unreadable = form == Form::Broken
            && self
                .readers()
                .any(|reader| reader.filter != 0 && reader.covers(topic));
        let live = self.readers().count();
        assert_eq!(delivery.feeds, feeds.len());
        assert_eq!(delivery.subscriptions, reached);
        assert!((delivery.share - reached as f64 / live.max(1) as f64).abs() < 1e-9);
        let has_position = reached > 0 || keeps_history(topic);
        assert_eq!(delivery.position.is_some(), has_position);
        self.counts.published += 1;
        self.counts.unmatched += u64::from(reached == 0);
        self.counts.matched += feeds.len() as u64;
        self.counts.reached += reached;
        self.counts.unreadable += u64::from(unreadable);

        for member in self.members.values_mut() {
            if member.reader.wants(event) {
                member.reader.offer(&self.world, number);
                self.lanes[member.lane].dirty = true;
            }
        }
        for pull in &mut self.pulls {
            if pull.reader.wants(event) {
                pull.reader.offer(&self.world, number);
                pull.must_be_woken();
            }
        }
    }

    /// What is asked for, in the model and for the hub, and the topic that is too old
    /// to come back to, if one is.
    fn ask(&mut self, want: &Want) -> (Reader, Selector, SubscribeOptions, Option<Topic>) {
        let bits = |set: u8, len| (0..len).filter(move |i| set & (1 << i) != 0);
        let topics: BTreeSet<usize> = bits(want.topics, TOPICS.len()).collect();
        let patterns: BTreeSet<usize> = bits(want.patterns, PATTERNS.len()).collect();
        let mut reader = Reader {
            topics,
            patterns,
            filter: want.filter,
            overflow: want.overflow,
            events: want.events,
            bytes: want.bytes,
            alone: None,
            backlog: VecDeque::new(),
            queue: Vec::new(),
            read: 0,
        };
        if want.overflow == Overflow::DropNewest {
            reader.alone = Some(self.new_name());
        }
        let selector = selector_of(&reader);
        let budget = Budget::default();
        let budget = budget.events(want.events).unwrap();
        let mut options = SubscribeOptions::new()
            .overflow(want.overflow)
            .budget(budget.bytes(want.bytes).unwrap());

        let mut too_old = None;
        if let Some(ago) = want.resume {
            let mut positions = Vec::new();
            let mut backlog: Vec<usize> = Vec::new();
            for topic in (0..TOPICS.len()).filter(|t| keeps_history(*t) && reader.covers(*t)) {
                let all = self.world.of_topic(topic);
                let Some(last) = all.len().checked_sub(1) else {
                    continue;
                };
                let from = last.saturating_sub(ago);
                let name = Topic::new(TOPICS[topic]).unwrap();
                let position = self.world.events[all[from]].position.unwrap();
                positions.push((name.clone(), position));
                let after = &all[from + 1..];
                if after.len() > KEPT {
                    too_old.get_or_insert(name);
                }
                let wanted = |n: &usize| reader.wants(&self.world.events[*n]);
                backlog.extend(after.iter().copied().filter(wanted));
            }
            // Over several topics, the order is that of publishing.
            backlog.sort_unstable();
            reader.backlog = backlog.into();
            if let [(_, position)] = positions[..]
                && reader.patterns.is_empty()
                && reader.topics.len() == 1
            {
                options = options.resume(Resume::at(position));
            } else if !positions.is_empty() {
                let positions = positions.into_iter();
                let resume = positions.fold(Resume::new(), |resume, (topic, position)| {
                    resume.topic(topic, position)
                });
                options = options.resume(resume);
            }
        }
        (reader, selector, options, too_old)
    }

    fn new_name(&mut self) -> usize {
        self.names += 1;
        self.names
    }

    fn subscribe(&mut self, want: &Want) {
        let (reader, selector, options, too_old) = self.ask(want);
        let result = self.hub.subscribe_with(selector, options);
        let Some(sub) = self.admitted(result, too_old) else {
            return;
        };
        self.pulls.push(Pull {
            sub,
            reader,
            woken: Arc::default(),
            parked: false,
        });
    }

    /// Whether a subscription was to be had, and was.
    fn admitted<T>(&self, result: Result<T, SubscribeError>, too_old: Option<Topic>) -> Option<T> {
        match (result, too_old) {
            (Err(error), _) if self.closed => {
                assert_eq!(error, SubscribeError::Closed);
                None
            }
            (Ok(_), _) if self.closed => panic!("subscribed to a closed hub"),
            (Ok(sub), None) => Some(sub),
            (Err(SubscribeError::Resume(error)), Some(topic)) => {
                assert_eq!(error.topic(), &topic);
                assert!(
                    matches!(error.kind(), ResumeErrorKind::TooOld { .. }),
                    "{error}"
                );
                None
            }
            (Ok(_), Some(topic)) => panic!("resumed in {topic} after what is gone"),
            (Err(error), _) => panic!("not subscribed: {error}"),
        }
    }

    fn join(&mut self, lane: usize, remote: bool, want: &Want) {
        let (reader, selector, options, too_old) = self.ask(want);
        let token = Token(self.new_name() as u64);
        let state = &mut self.lanes[lane];
        let result = match remote {
            true => state.remote.subscribe(selector, token, options),
            false => state.lane.subscribe_with(selector, token, options),
        };
        state.dirty = true;
        let Some(id) = self.admitted(result, too_old) else {
            return;
        };
        let member = Member {
            id,
            lane,
            reader,
            stalled: false,
            lost_before: 0,
            will_take: None,
            will_close: false,
            leaving: false,
        };
        self.members.insert(token, member);
    }

    fn join_like(&mut self, choice: usize) {
        let Some((_, Member { lane, reader, .. })) = self.member(choice) else {
            return;
        };
        let bits = |set: &BTreeSet<usize>| set.iter().fold(0, |bits, i| bits | 1 << i);
        let want = Want {
            topics: bits(&reader.topics),
            patterns: bits(&reader.patterns),
            filter: reader.filter,
            overflow: reader.overflow,
            events: reader.events,
            bytes: reader.bytes,
            resume: None,
        };
        let lane = *lane;
        self.join(lane, false, &want);
    }

    fn member(&mut self, choice: usize) -> Option<(Token, &mut Member)> {
        let at = choice.checked_rem(self.members.len())?;
        self.members
            .iter_mut()
            .nth(at)
            .map(|(token, m)| (*token, m))
    }

    fn leave(&mut self, choice: usize, remote: bool) {
        let Some((token, member)) = self.member(choice) else {
            return;
        };
        let (id, lane) = (member.id, member.lane);
        if remote {
            member.leaving = true;
            self.lanes[lane].remote.unsubscribe(id);
        } else {
            self.hear(lane);
            self.lanes[lane].busy = true;
            let is_member = self.members.remove(&token).is_some();
            assert_eq!(self.lanes[lane].lane.unsubscribe(id), is_member);
            assert!(!self.lanes[lane].lane.unsubscribe(id), "left twice");
        }
    }

    /// What other threads have asked a lane for is done.
    fn hear(&mut self, lane: usize) {
        self.members.retain(|_, m| m.lane != lane || !m.leaving);
        for token in std::mem::take(&mut self.lanes[lane].resuming) {
            if let Some(member) = self.members.get_mut(&token) {
                member.stalled = false;
            }
        }
        self.lanes[lane].dirty = true;
    }

    fn resume(&mut self, choice: usize, remote: bool) {
        let Some((token, member)) = self.member(choice) else {
            return;
        };
        let (id, lane) = (member.id, member.lane);
        if remote {
            self.lanes[lane].remote.resume(id);
            self.lanes[lane].resuming.push(token);
        } else {
            member.stalled = false;
            self.hear(lane);
            self.lanes[lane].busy = true;
            self.lanes[lane].lane.resume(id);
        }
    }

    fn turns(&mut self, lane: usize, turns: usize) {
        for _ in 0..turns {
            if !self.turn(lane) {
                break;
            }
        }
    }

    /// Turns a lane until it says that there is nothing to do, and sees whether that is
    /// true.
    fn drain(&mut self, lane: usize) {
        let mut turns = 0;
        while self.turn(lane) {
            turns += 1;
            assert!(turns < 100_000, "a lane that is never through");
        }
    }

    fn turn(&mut self, lane: usize) -> bool {
        self.hear(lane);
        let state = &mut self.lanes[lane];
        let mut sink = Check {
            world: &self.world,
            members: &mut self.members,
            counts: &mut self.counts,
            lane,
            loose: state.loose,
            closed: self.closed,
            delivered: 0,
            begun: 0,
            ended: 0,
        };
        let turn = state.lane.turn(&mut sink);
        // The lane keeps a sink's panic to itself.
        assert_eq!(
            sink.begun, sink.ended,
            "the sink was called wrongly, see above"
        );
        assert_eq!(turn.delivered as u64, sink.delivered);
        self.counts.delivered += sink.delivered;
        state.busy = turn.more;
        if turn.more {
            return true;
        }
        state.loose = false;
        state.dirty = false;
        let here = self.members.values().filter(|member| member.lane == lane);
        assert_eq!(state.lane.len(), here.clone().count());
        for member in here {
            assert_eq!(state.lane.lag(member.id), Some(member.reader.lag()));
            let disconnects = member.reader.overflow == Overflow::Disconnect;
            if !member.stalled {
                assert!(!self.closed, "not told that the hub is closed");
                assert_eq!(member.reader.peek(&self.world), Next::Nothing, "left lying");
            } else if disconnects {
                let missed = member.reader.missed();
                assert!(missed <= member.lost_before, "a slow one is still in");
            }
        }
        false
    }

    fn pull(&mut self, choice: usize) -> Option<&mut Pull> {
        let at = choice.checked_rem(self.pulls.len())?;
        Some(&mut self.pulls[at])
    }

    /// Reads up to so many times, until there is nothing.
    fn try_recv(&mut self, choice: usize, times: usize) {
        for _ in 0..times {
            let Some(at) = choice.checked_rem(self.pulls.len()) else {
                return;
            };
            let Pull { sub, reader, .. } = &mut self.pulls[at];
            assert_eq!(sub.lag(), reader.lag());
            let got = sub.try_recv();
            match expect(reader, &self.world, self.closed, &mut self.counts) {
                Expected::Event(number) => {
                    check_event(&got.unwrap(), &self.world, number);
                    self.counts.delivered += 1;
                }
                Expected::Error(error) => {
                    assert_eq!(got.unwrap_err(), error);
                    if let TryRecvError::Closed(reason) = error {
                        self.check_closed(at, reason);
                        return;
                    }
                    if error == TryRecvError::Empty {
                        return;
                    }
                }
            }
        }
    }

    /// One that is closed stays closed, and is let go.
    fn check_closed(&mut self, at: usize, reason: CloseReason) {
        let mut pull = self.pulls.swap_remove(at);
        assert_eq!(pull.sub.closed(), Some(reason));
        assert_eq!(
            pull.sub.try_recv().unwrap_err(),
            TryRecvError::Closed(reason)
        );
        let mut cx = Context::from_waker(Waker::noop());
        let polled = pull.sub.poll_recv(&mut cx).map(Result::unwrap_err);
        assert_eq!(polled, Poll::Ready(RecvError::Closed(reason)));
    }

    fn batch(&mut self, choice: usize, max: usize) {
        let Some(at) = choice.checked_rem(self.pulls.len()) else {
            return;
        };
        let Pull { sub, reader, .. } = &mut self.pulls[at];
        let run = reader.run(&self.world);
        match sub.try_recv_batch(max) {
            Ok(batch) => {
                assert_eq!(batch.len(), run.min(max.max(1)));
                for event in batch.iter() {
                    match reader.next(&self.world) {
                        Next::Event(number) => check_event(event, &self.world, number),
                        other => panic!("{event:?} in place of {other:?}"),
                    }
                }
                self.counts.delivered += batch.len() as u64;
            }
            Err(error) => match expect(reader, &self.world, self.closed, &mut self.counts) {
                Expected::Error(expected) => {
                    assert_eq!(error, expected);
                    if let TryRecvError::Closed(reason) = error {
                        self.check_closed(at, reason);
                    }
                }
                Expected::Event(number) => panic!("{error} in place of event {number}"),
            },
        }
    }

    fn park(&mut self, choice: usize) {
        let (closed, nothing) = (self.closed, Next::Nothing);
        let world = std::mem::take(&mut self.world);
        if let Some(pull) = self.pull(choice)
            && !closed
            && pull.reader.peek(&world) == nothing
        {
            // Passes over what was replaced.
            pull.reader.next(&world);
            let waker = Waker::from(Arc::clone(&pull.woken));
            let mut cx = Context::from_waker(&waker);
            assert!(pull.sub.poll_recv(&mut cx).is_pending());
            pull.woken.0.store(0, Ordering::SeqCst);
            pull.parked = true;
        }
        self.world = world;
    }

    fn rename(&mut self, choice: usize, change: Change) {
        let alone = self.new_name();
        let Some(at) = choice.checked_rem(self.pulls.len()) else {
            return;
        };
        let Pull {
            sub,
            reader,
            parked,
            ..
        } = &mut self.pulls[at];
        let result = match change {
            Change::AddTopic(topic) => sub.add_topic(TOPICS[topic]),
            Change::RemoveTopic(topic) => sub.remove_topic(TOPICS[topic]),
            Change::AddPattern(pattern) => sub.add_pattern(PATTERNS[pattern].0),
            Change::RemovePattern(pattern) => sub.remove_pattern(PATTERNS[pattern].0),
        };
        let expected = reader.rename(&self.world, change, alone);
        *parked &= expected != Ok(true);
        assert_eq!(result, expected.map_err(SubscribeError::Selector));
        if !self.closed {
            assert_eq!(sub.selector(), Some(selector_of(reader)));
        }
    }

    fn rename_member(&mut self, choice: usize, change: Change) {
        let alone = self.new_name();
        let Some((token, member)) = self.member(choice) else {
            return;
        };
        let (id, at) = (member.id, member.lane);
        self.hear(at);
        let state = &mut self.lanes[at];
        let lane = &mut state.lane;
        let result = match change {
            Change::AddTopic(topic) => lane.add_topic(id, TOPICS[topic]),
            Change::RemoveTopic(topic) => lane.remove_topic(id, TOPICS[topic]),
            Change::AddPattern(pattern) => lane.add_pattern(id, PATTERNS[pattern].0),
            Change::RemovePattern(pattern) => lane.remove_pattern(id, PATTERNS[pattern].0),
        };
        let Some(Member { reader, .. }) = self.members.get_mut(&token) else {
            assert_eq!(result, Err(SubscribeError::NoMember));
            assert_eq!((lane.lag(id), lane.selector(id)), (None, None));
            return;
        };
        let expected = reader.rename(&self.world, change, alone);
        state.busy |= expected == Ok(true);
        assert_eq!(result, expected.map_err(SubscribeError::Selector));
        assert_eq!(lane.lag(id), Some(reader.lag()));
        let selector = (!self.closed).then(|| selector_of(reader));
        assert_eq!(lane.selector(id), selector);
    }

    fn close(&mut self) {
        self.hub.close();
        if !std::mem::replace(&mut self.closed, true) {
            self.pulls.iter_mut().for_each(Pull::must_be_woken);
        }
    }

    fn check_stats(&self) {
        let stats = self.hub.stats();
        let counts = &self.counts;
        assert_eq!(stats.subscriptions, self.readers().count() as u64);
        assert_eq!(stats.published, counts.published, "published");
        assert_eq!(stats.unmatched, counts.unmatched, "unmatched");
        assert_eq!(stats.matched, counts.matched, "matched");
        assert_eq!(stats.reached, counts.reached, "reached");
        assert_eq!(stats.unreadable, counts.unreadable, "unreadable");
        assert_eq!(stats.delivered, counts.delivered, "delivered");
        assert_eq!(stats.missed, counts.missed, "missed");
        assert_eq!(stats.slow_closed, counts.slow, "slow_closed");
        if self.closed {
            return;
        }
        let feeds: BTreeSet<FeedKey> = self.readers().map(Reader::feed).collect();
        assert_eq!(stats.feeds, feeds.len(), "feeds");
        let patterns = self.readers().flat_map(|reader| reader.patterns.iter());
        let patterns: BTreeSet<&usize> = patterns.collect();
        assert_eq!(stats.patterns, patterns.len(), "patterns");
        if self.lanes.iter().any(|lane| lane.busy || lane.dirty) {
            return;
        }
        // What somebody waits for, and what is kept: each event once.
        let waits: BTreeSet<usize> = self.readers().flat_map(Reader::waits_for).collect();
        let events = self.world.events.iter().enumerate();
        let held = events.filter(|(number, event)| {
            waits.contains(number) || keeps_history(event.topic) && self.world.kept(*number)
        });
        let bytes: usize = held.map(|(_, event)| event.weight).sum();
        assert_eq!(stats.bytes_held, bytes as u64, "bytes");
    }
}

impl Pull {
    fn must_be_woken(&mut self) {
        if std::mem::take(&mut self.parked) {
            assert!(self.woken.0.load(Ordering::SeqCst) > 0, "a lost wake-up");
        }
    }
}

/// The selector that a reader stands for.
fn selector_of(reader: &Reader) -> Selector {
    let topics = reader.topics.iter().map(|topic| (TOPICS[*topic], false));
    let patterns = reader.patterns.iter().map(|p| (PATTERNS[*p].0, true));
    let mut names = topics.chain(patterns);
    let (first, is_pattern) = names.next().unwrap();
    let selector = match is_pattern {
        true => Selector::pattern(first),
        false => Selector::topic(first),
    };
    let selector = names.fold(
        selector.unwrap(),
        |selector, (name, is_pattern)| match is_pattern {
            true => selector.and_pattern(name).unwrap(),
            false => selector.and_topic(name).unwrap(),
        },
    );
    selector.filter(Filter::parse(FILTERS[reader.filter]).unwrap())
}

enum Expected {
    Event(usize),
    Error(TryRecvError),
}

/// What a subscription that pulls should read next.
fn expect(reader: &mut Reader, world: &World, closed: bool, counts: &mut Counts) -> Expected {
    let from_history = !reader.backlog.is_empty();
    Expected::Error(match reader.next(world) {
        Next::Event(number) => return Expected::Event(number),
        Next::Missed(missed) => {
            if reader.overflow == Overflow::Disconnect && !from_history {
                counts.slow += 1;
                TryRecvError::Closed(CloseReason::SlowConsumer)
            } else {
                counts.missed += missed;
                TryRecvError::Lagged { missed }
            }
        }
        Next::Nothing if closed => TryRecvError::Closed(CloseReason::HubClosed),
        Next::Nothing => TryRecvError::Empty,
    })
}
