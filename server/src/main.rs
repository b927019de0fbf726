//! The `encke` command.

mod shell;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use encke::clock::Clock;
use encke::config::{Config, Unusable};
use encke::listen::Listen;
use encke::server::Server;
use encke::visitors::Visitors;

/// Fewer and better packed bytes for an idle connection than the system's allocator.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Pushes events to browsers over whichever connection can be kept.
///
/// Without a command it runs `encke dev`: everything in memory, on loopback, open to programs on this machine.
#[derive(Parser)]
#[command(name = "encke", version, max_term_width = 100, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    dev: Dev,
}

#[derive(Subcommand)]
enum Command {
    /// Serve this machine, for development: no file, no rights, nothing kept
    Dev(Dev),
    /// Serve the public, with a configuration that says who may
    Serve(Serve),
    /// Publish a JSON value to a channel, or one for each line of standard input
    Publish(shell::Publish),
    /// Print what is published, a line of JSON for each message
    Subscribe(shell::Subscribe),
    /// Say what is wrong with a configuration, without serving it
    Check(shell::Check),
    /// Write a small production file, with secrets of its own
    Init(shell::Init),
    /// Make a token for a user, or an API key; say what is wrong with one
    Token(shell::Token),
}

#[derive(Args, Clone)]
struct Dev {
    #[command(flatten)]
    common: Common,
    /// Listen on any address, and let anybody in, from any web page
    #[arg(long, env = "ENCKE_INSECURE")]
    insecure: bool,
}

#[derive(Args, Clone)]
struct Serve {
    /// The configuration, a TOML file
    #[arg(long, value_name = "FILE", env = "ENCKE_CONFIG")]
    config: PathBuf,
    #[command(flatten)]
    common: Common,
}

/// What can be said without a file. Precedence: flag, environment, file, default.
#[derive(Args, Clone)]
struct Common {
    /// The public listener, an address and a port (0 picks a free one) or unix:/path [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS", env = "ENCKE_LISTEN")]
    listen: Option<Listen>,
    /// The internal listener, for health and metrics [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDRESS", env = "ENCKE_INTERNAL_LISTEN")]
    internal_listen: Option<Listen>,
    /// The path that all public URLs stand under, for example /live [default: none]
    #[arg(long, value_name = "PATH", env = "ENCKE_BASE")]
    base: Option<String>,
    /// Cores to serve on [default: all that this process may use]
    #[arg(long, value_name = "NUMBER", env = "ENCKE_CORES")]
    cores: Option<usize>,
    /// How long to take over good-byes when told to stop [default: 20s]
    #[arg(long, value_name = "TIME", env = "ENCKE_DRAIN", value_parser = humantime::parse_duration)]
    drain: Option<Duration>,
}

impl Common {
    fn over(self, mut config: Config) -> Config {
        let Common { listen, internal_listen, base, cores, drain } = self;
        config.listen = listen.unwrap_or(config.listen);
        config.internal_listen = internal_listen.unwrap_or(config.internal_listen);
        config.doors.base = base.unwrap_or(config.doors.base);
        config.cores = cores.unwrap_or(config.cores);
        config.drain = drain.unwrap_or(config.drain);
        config
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    log();
    let started = match cli.command.unwrap_or(Command::Dev(cli.dev)) {
        Command::Dev(dev) => develop(dev),
        Command::Serve(serve) => produce(serve),
        Command::Publish(publish) => publish.run(),
        Command::Subscribe(subscribe) => subscribe.run(),
        Command::Check(check) => check.run(),
        Command::Init(init) => init.run(),
        Command::Token(token) => token.run(),
    };
    match started {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            let _ = writeln!(std::io::stderr(), "encke: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Human on a terminal, JSON otherwise; `RUST_LOG` chooses what.
fn log() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        builder.with_target(false).init();
    } else {
        builder.json().init();
    }
}

fn develop(Dev { common, insecure }: Dev) -> Result<(), Box<dyn std::error::Error>> {
    let config = common.over(Config::development());
    for address in [&config.listen, &config.internal_listen] {
        if address.is_exposed() && !insecure {
            return Err(Unusable::Exposed(address.clone()).into());
        }
    }
    let (visitors, mode) = if insecure {
        (Visitors::Anyone, "insecure mode: open to everybody who can reach it")
    } else {
        (
            Visitors::Loopback,
            "development mode: open to every program on this machine, not to web pages elsewhere",
        )
    };
    run(config, visitors, mode)
}

fn produce(Serve { config, common }: Serve) -> Result<(), Box<dyn std::error::Error>> {
    let config = common.over(Config::read(&config)?);
    config.check_rights()?;
    run(config, Visitors::SameOrigin, "production mode")
}

fn run(config: Config, visitors: Visitors, mode: &str) -> Result<(), Box<dyn std::error::Error>> {
    config.check()?;
    let base = config.doors.base.clone();
    // Before the server starts, so that a signal meanwhile is not lost.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut terminate, mut interrupt) = runtime.block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        Ok::<_, std::io::Error>((signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?))
    })?;
    let server = Server::start(config, visitors, Clock::system())?;
    let (to, url) = server.public.curl();
    let url = format!("{url}{base}");
    let shown = |place: &Listen, path: &str| match place {
        Listen::Tcp(address) => format!("http://{address}{path}"),
        Listen::Unix(_) => place.to_string(),
    };
    let banner = format!(
        "Encke {}, {mode}.\n  public    {}\n  internal  {}\n  listen    curl -N {to}'{url}/channels/chat/*'\n  \
         publish   curl {to}-d '{{\"text\":\"hello\"}}' {url}/channels/chat/demo\n",
        env!("CARGO_PKG_VERSION"),
        shown(&server.public, &format!("{base}/")),
        shown(&server.internal, "/"),
    );
    // A closed standard output is no reason not to serve.
    let _ = std::io::stdout().write_all(banner.as_bytes());
    let _ = std::io::stdout().flush();
    runtime.block_on(async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    });
    tracing::info!("draining: no new connections, and every client is told to return");
    // Whoever asks twice wants it now.
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        });
        std::process::exit(1);
    });
    server.stop();
    tracing::info!("stopped");
    Ok(())
}
