//! `sekisho serve`: the guard as a service, with reload on SIGHUP and an orderly stop on SIGTERM and SIGINT.
//! It refuses to daemonise: a service manager does that.

use super::load;
use super::{CONFIG, ConfigArgument, OK, WRONG, complain};
use crate::app::App;
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
}

/// Runs it.
pub(super) fn run(arguments: &Arguments) -> u8 {
    let Some(config) = load::config(&arguments.config.config) else { return CONFIG };
    log(&config);
    let Some(runtime) = load::runtime() else { return WRONG };
    runtime.block_on(serve(config))
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

async fn serve(config: Config) -> u8 {
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::hangup()));
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)) = signals else {
        complain("failed to listen for signals");
        return WRONG;
    };
    let app = match App::start(config).await {
        Ok(app) => app,
        Err(error) => {
            complain(&format!("failed to {error}"));
            return CONFIG;
        }
    };
    tracing::info!("ready");
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => {
                let _ = sd_notify::notify(&[NotifyState::Reloading]);
                app.reload().await;
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
