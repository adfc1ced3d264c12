//! Local verbs about the daemon itself.

use super::ServeLocal;
use crate::monitor::state::Shared;
use crate::monitor::{metrics, reload, report};
use crate::policy::LocalGrant;
use crate::verb::{Exposed, Metrics, Reload, Reloaded, Status, StatusView};

impl ServeLocal for Status {
    const WITHOUT_TRAIL: bool = true;

    async fn serve(state: &Shared, _: LocalGrant<Self>) -> Result<StatusView, String> {
        Ok(report::status(state))
    }
}

impl ServeLocal for Metrics {
    const WITHOUT_TRAIL: bool = true;
    const RECORDED: bool = false;

    async fn serve(state: &Shared, _: LocalGrant<Self>) -> Result<Exposed, String> {
        Ok(Exposed {
            text: metrics::text(state),
        })
    }
}

impl ServeLocal for Reload {
    async fn serve(state: &Shared, _: LocalGrant<Self>) -> Result<Reloaded, String> {
        let outcome = reload::reload(state).await;
        let generation = state.config.generation.get();
        Ok(match outcome {
            Ok(changes) => Reloaded {
                generation,
                changes,
                faults: Vec::new(),
            },
            Err(faults) => Reloaded {
                generation,
                changes: Vec::new(),
                faults,
            },
        })
    }
}
