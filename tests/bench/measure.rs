//! What is measured: rounds in which every contestant does the same thing once, in turn, so that whatever else the
//! machine does hits all alike.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::bundle;
use crate::contestant::{Contestant, Home, Kind};
use crate::host::{Layout, PREFIX};
use crate::stats::{self, Sample, Summary};
use crate::sys::{self, Command, End, Spent};

/// One line of the result: what was done, and each contestant's numbers.
pub struct Measure {
    /// In words.
    pub name: &'static str,
    /// By contestant.
    pub results: Vec<(&'static str, Summary)>,
}

/// What Docker's seccomp profile adds to a start: the median difference of pairs of starts, one with it and one without. Both
/// come right after a start of the same runtime: what is cached then is the same for both.
pub const PROFILE_ADDS: &str = "  what the profile adds to it";
/// How many such pairs there are in a round: the difference is a tenth of either time or less, and whatever the machine does
/// in the meantime is in it.
const MIN_PAIRS: usize = 5;
/// Who is fast has time for more of them.
const TIME_FOR_PAIRS: Duration = Duration::from_millis(150);
/// Rounds before the first that counts: caches, and the page tables of freshly written files.
const WARM_UP: usize = 2;
/// The one-call measures of a container's life, in order.
const LIFE: [&str; 5] = ["create", "start", "state", "kill", "delete"];

/// The contestants on one cgroup layout, with their bundles and state.
pub struct Stage<'a> {
    layout: &'a Layout,
    contestants: Vec<(&'a Contestant, Home)>,
    rootfs: &'a Path,
    output: File,
    output_path: std::path::PathBuf,
    runs: usize,
}

/// Times are in microseconds.
type Outcome<T = f64> = Result<T, String>;

impl<'a> Stage<'a> {
    /// Prepares bundles below `work` for all contestants that can live on this layout. `state` is on a tmpfs.
    pub fn new(
        all: &'a [Contestant],
        layout: &'a Layout,
        work: &Path,
        state: &Path,
        rootfs: &'a Path,
        runs: usize,
    ) -> io::Result<Self> {
        let view = if layout.is_pure_v2() { "v2" } else { "own" };
        let mut contestants = Vec::new();
        for contestant in all.iter().filter(|contestant| contestant.hybrid || layout.is_pure_v2()) {
            let bundles = work.join("bundles").join(view).join(contestant.name);
            let root = state.join(view).join(contestant.name);
            fs::create_dir_all(&root)?;
            if contestant.kind == Kind::Runtime {
                bundle::make_bundles(&bundles, contestant.name, rootfs, layout.is_pure_v2())?;
            }
            let pid_file = root.join("init.pid");
            contestants.push((contestant, Home { state: root.join("state"), bundles, pid_file }));
        }
        let output_path = state.join(view).join("output");
        let output = OpenOptions::new().create(true).append(true).open(&output_path)?;
        Ok(Self { layout, contestants, rootfs, output, output_path, runs })
    }

    /// All measures. Stops early, with what there is, when a signal asks for it.
    pub fn measure(&self) -> Vec<Measure> {
        let mut measures = Vec::new();
        measures.extend(self.rounds(&["run /bin/true", "  its processor time"], |c, home| match c.kind {
            Kind::Runtime => Some(both(self.spent(&c.run(home, "default", &id(c, "run"))))),
            Kind::Floor => Some(both(self.spent(&self.floor(c)))),
            Kind::Empty => None,
        }));
        measures.extend(self.rounds(&["run /bin/true, Docker's config", PROFILE_ADDS], |c, home| {
            let first = || self.timed(&c.run(home, "docker", &id(c, "docker")));
            (c.kind == Kind::Runtime).then(|| vec![first(), self.profile_adds(c, home)])
        }));
        for (name, config) in
            [("Docker's four calls", "default"), ("Docker's four calls, Docker's config", "docker")]
        {
            measures.extend(self.rounds(&[name], |c, home| {
                (c.kind == Kind::Runtime).then(|| vec![self.four_calls(c, home, config)])
            }));
        }
        measures.extend(self.exec());
        measures.extend(self.rounds(&LIFE, |c, home| match c.kind {
            Kind::Runtime => Some(self.life(c, home)),
            Kind::Floor => None,
            Kind::Empty => Some(LIFE.map(|_| self.timed(&Command::new([&c.program]))).into()),
        }));
        measures
    }

    /// Rounds of one act, which yields a time for each of `names`, or nothing where a contestant does not take part.
    fn rounds<F>(&self, names: &[&'static str], act: F) -> Vec<Measure>
    where
        F: Fn(&Contestant, &Home) -> Option<Vec<Outcome>>,
    {
        let mut samples: Vec<Vec<Sample>> = Vec::new();
        for _ in &self.contestants {
            samples.push(names.iter().map(|_| Sample::default()).collect());
        }
        for round in 0..WARM_UP + self.runs {
            for turn in 0..self.contestants.len() {
                if sys::interrupted() {
                    break;
                }
                // A different one begins in every round.
                let at = (round + turn) % self.contestants.len();
                let (contestant, home) = &self.contestants[at];
                if samples[at].iter().any(Sample::is_hopeless) {
                    continue;
                }
                let outcomes = act(contestant, home).unwrap_or_default();
                let failed = outcomes.iter().any(Result::is_err);
                for (sample, outcome) in samples[at].iter_mut().zip(outcomes) {
                    if round >= WARM_UP || outcome.is_err() {
                        sample.add(outcome);
                    }
                }
                if failed {
                    self.clean_up(contestant, home);
                }
            }
        }
        collect(names, &self.contestants, samples)
    }

    /// How much longer a start with Docker's seccomp profile takes than one without.
    fn profile_adds(&self, contestant: &Contestant, home: &Home) -> Outcome {
        let run = |config| self.timed(&contestant.run(home, config, &id(contestant, "docker")));
        let begun = Instant::now();
        let mut differences = Vec::new();
        while differences.len() < MIN_PAIRS || begun.elapsed() < TIME_FOR_PAIRS {
            // In turn: what the one leaves to be done to the other, or a machine that gets slower, is on both sides.
            let (confined, unconfined) = if differences.len() % 2 == 0 {
                let confined = run("docker")?;
                (confined, run("docker-unconfined")?)
            } else {
                let unconfined = run("docker-unconfined")?;
                (run("docker")?, unconfined)
            };
            differences.push(confined - unconfined);
        }
        stats::median(differences).ok_or_else(|| "nothing was measured".to_owned())
    }

    /// `exec` into a container that runs during all rounds.
    fn exec(&self) -> Vec<Measure> {
        let mut inits = Vec::new();
        for (contestant, home) in self.contestants.iter().filter(|(c, _)| c.kind == Kind::Runtime) {
            let id = id(contestant, "exec");
            let started = self.timed(&contestant.create(home, "waiting", &id)).and_then(|_| {
                let pid = read_pid(home)?;
                self.timed(&contestant.simple(home, "start", &id)).map(|_| pid)
            });
            inits.push(started);
        }
        let started: Vec<Outcome<i32>> = inits.clone();
        let runtimes: Vec<&str> = self.names(Kind::Runtime);
        let measures = self.rounds(&["exec /bin/true"], |c, home| {
            let at = runtimes.iter().position(|name| *name == c.name)?;
            Some(vec![match started.get(at)? {
                Ok(_) => self.timed(&c.exec(home, &id(c, "exec"))),
                Err(text) => Err(text.clone()),
            }])
        });
        for ((contestant, home), init) in
            self.contestants.iter().filter(|(c, _)| c.kind == Kind::Runtime).zip(inits)
        {
            if let Ok(pid) = init {
                sys::kill(pid);
                // A container that is gone already was killed by the clean-up of a failed round.
                let _ = sys::wait(pid);
            }
            self.clean_up(contestant, home);
        }
        measures
    }

    fn names(&self, kind: Kind) -> Vec<&'static str> {
        self.contestants.iter().filter(|(c, _)| c.kind == kind).map(|(c, _)| c.name).collect()
    }

    /// create, start, the container's end, delete, delete --force: as one time, since an engine needs them all.
    fn four_calls(&self, contestant: &Contestant, home: &Home, config: &str) -> Outcome {
        let id = id(contestant, "four");
        let commands = (
            contestant.create(home, config, &id),
            contestant.simple(home, "start", &id),
            contestant.simple(home, "delete", &id),
            contestant.delete_force(home, &id),
        );
        let start = Instant::now();
        self.timed(&commands.0)?;
        let pid = read_pid(home)?;
        self.timed(&commands.1)?;
        expect("the container", sys::wait(pid), End::Code(0))?;
        self.timed(&commands.2)?;
        self.timed(&commands.3)?;
        Ok(microseconds(start.elapsed()))
    }

    /// One container from create to delete, each call timed alone.
    fn life(&self, contestant: &Contestant, home: &Home) -> Vec<Outcome> {
        let mut times = Vec::new();
        if let Err(text) = self.live(contestant, home, &mut times) {
            // What could not be tried for this has failed with it.
            times.resize(LIFE.len(), Err(text));
        }
        times
    }

    fn live(&self, contestant: &Contestant, home: &Home, times: &mut Vec<Outcome>) -> Outcome<()> {
        let id = id(contestant, "life");
        times.push(Ok(self.timed(&contestant.create(home, "waiting", &id))?));
        let pid = read_pid(home)?;
        times.push(Ok(self.timed(&contestant.simple(home, "start", &id))?));
        times.push(Ok(self.timed(&contestant.simple(home, "state", &id))?));
        times.push(Ok(self.timed(&contestant.kill(home, &id))?));
        expect("the container", sys::wait(pid), End::Signal(libc::SIGKILL))?;
        times.push(Ok(self.timed(&contestant.simple(home, "delete", &id))?));
        Ok(())
    }

    fn floor(&self, contestant: &Contestant) -> Command {
        let cgroups = self.layout.list(&format!("{PREFIX}floor"));
        let words =
            [contestant.program.as_os_str(), self.rootfs.as_os_str(), cgroups.as_ref(), "/bin/true".as_ref()];
        Command::new(words)
    }

    /// How long one command took that must end with 0.
    fn timed(&self, command: &Command) -> Outcome {
        self.spent(command).map(|spent| microseconds(spent.elapsed))
    }

    /// Runs one command that must end with 0. What it printed is the reason when it does not.
    fn spent(&self, command: &Command) -> Outcome<Spent> {
        self.output.set_len(0).map_err(|error| error.to_string())?;
        let (end, spent) = command.run(&self.output).map_err(|error| format!("{command}: {error}"))?;
        if end == End::Code(0) {
            return Ok(spent);
        }
        let said = fs::read_to_string(&self.output_path).unwrap_or_default();
        Err(format!("{command}: {end}: {}", said.trim()))
    }

    /// Removes whatever a failed round left of a contestant's containers.
    fn clean_up(&self, contestant: &Contestant, home: &Home) {
        if contestant.kind == Kind::Runtime {
            for container in ["run", "docker", "four", "life", "exec"] {
                // Most of them do not exist, which is what should come out.
                let _ = self.timed(&contestant.delete_force(home, &id(contestant, container)));
            }
            sys::reap();
        }
    }
}

fn both(spent: Outcome<Spent>) -> Vec<Outcome> {
    let elapsed = spent.clone().map(|spent| microseconds(spent.elapsed));
    vec![elapsed, spent.map(|spent| microseconds(spent.processor))]
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// The container's name, so that it is known whose it is wherever it turns up.
fn id(contestant: &Contestant, container: &str) -> String {
    format!("{PREFIX}{}-{container}", contestant.name)
}

fn read_pid(home: &Home) -> Outcome<i32> {
    let path = home.pid_file.display();
    let text = fs::read_to_string(&home.pid_file).map_err(|error| format!("{path}: {error}"))?;
    text.trim().parse().map_err(|_| format!("{path}: {:?} is not a process id", text.trim()))
}

fn expect(what: &str, end: io::Result<End>, wanted: End) -> Outcome<()> {
    match end {
        Ok(end) if end == wanted => Ok(()),
        Ok(end) => Err(format!("{what}: {end}")),
        Err(error) => Err(format!("{what}: {error}")),
    }
}

fn collect(
    names: &[&'static str],
    contestants: &[(&Contestant, Home)],
    mut samples: Vec<Vec<Sample>>,
) -> Vec<Measure> {
    let mut measures: Vec<Measure> = names.iter().map(|name| Measure { name, results: Vec::new() }).collect();
    for ((contestant, _), samples) in contestants.iter().zip(samples.drain(..)) {
        for (measure, sample) in measures.iter_mut().zip(samples) {
            let summary = sample.summary();
            if summary.runs + summary.failures > 0 {
                measure.results.push((contestant.name, summary));
            }
        }
    }
    measures
}
