//! `sekisho serve`: the guard as a service, under its own user, with reload on SIGHUP and an orderly stop on SIGTERM and SIGINT.
//! It refuses to daemonise: a service manager does that.

use super::{CONFIG, ConfigArgument, LATER, OK, WRONG, complain};
use super::{check, load};
use crate::app::sockets::{self, Sockets};
use crate::app::{App, Standing, StartError, confine, privileges};
use crate::config::Config;
use crate::config::file::LogFormat;
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Arguments of `serve`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Only say what would start, as whom and how confined; exit 1 when it would not.
    #[arg(long)]
    check: bool,
}

/// Runs it.
pub(super) fn run(arguments: &Arguments) -> u8 {
    let Some(config) = load::config(&arguments.config.config) else { return CONFIG };
    if arguments.check {
        return check::run(&config);
    }
    log(&config);
    // In this order, and before any thread: sockets as whoever started us, then no longer root, then nothing beyond what is needed.
    let (sockets, standing) = match stand(&config) {
        Ok(stood) => stood,
        Err(error) => return refuse(&error),
    };
    let Some(runtime) = load::runtime() else { return WRONG };
    runtime.block_on(serve(sockets, config, standing))
}

/// Says why there is no guard; the exit code tells a service manager whether to try again.
fn refuse(error: &StartError) -> u8 {
    complain(&format!("failed to {error}"));
    if error.may_pass() { LATER } else { CONFIG }
}

/// Opens the sockets and gives up what is not needed any more.
fn stand(config: &Config) -> Result<(Sockets, Standing), StartError> {
    let sockets = Sockets::open(config, sockets::passed()?)?;
    let root = privileges::assume(&config.process, &config.state)?;
    confine::prepare(config)?;
    let landlock = confine::confine(config)?;
    Ok((sockets, Standing { root, landlock }))
}

/// Logs to standard error, in the form the configuration asks for.
fn log(config: &Config) {
    let filter = EnvFilter::new(format!("warn,sekisho={}", config.log.level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    match config.log.format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
}

async fn serve(sockets: Sockets, config: Config, standing: Standing) -> u8 {
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::hangup()));
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)) = signals else {
        complain("failed to listen for signals");
        return WRONG;
    };
    let file = config.file.clone();
    let at_start = std::fs::read_to_string(&file).unwrap_or_default();
    let app = match App::start_on(sockets, config, standing).await {
        Ok(app) => app,
        Err(error) => return refuse(&error),
    };
    tracing::info!("ready");
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => {
                let _ = match NotifyState::monotonic_usec_now() {
                    Ok(now) => sd_notify::notify(&[NotifyState::Reloading, now]),
                    Err(_) => sd_notify::notify(&[NotifyState::Reloading]),
                };
                app.reload().await;
                load::look_again(&file, &at_start);
                let _ = sd_notify::notify(&[NotifyState::Ready]);
            }
        }
    }
    tracing::info!("stopping");
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
    app.stop().await;
    tracing::info!("stopped");
    OK
}
