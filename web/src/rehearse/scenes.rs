//! The course of a rehearsal hearing.

use otyrys_signaling::{Role, Stage};

/// One turn: a stage to mark, and whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scene {
    /// Marked on the record when the cast conducts.
    pub(super) stage: Option<Stage>,
    /// The first of these who is in the hearing speaks.
    pub(super) speakers: &'static [Role],
}

/// A hearing of a criminal case in short, or of a civil one with the roles that it has.
pub(super) const SCENES: [Scene; 10] = [
    Scene {
        stage: Some(Stage::Opened),
        speakers: &[Role::Judge],
    },
    Scene {
        stage: Some(Stage::CompositionAnnounced),
        speakers: &[Role::Clerk],
    },
    Scene {
        stage: Some(Stage::RightsExplained),
        speakers: &[Role::Judge],
    },
    Scene {
        stage: Some(Stage::ChargeRead),
        speakers: &[Role::Prosecutor, Role::Plaintiff, Role::Representative],
    },
    Scene {
        stage: Some(Stage::Evidence),
        speakers: &[Role::DefenceCounsel, Role::Respondent],
    },
    Scene {
        stage: Some(Stage::WitnessHeard),
        speakers: &[Role::Witness, Role::Victim, Role::Expert],
    },
    Scene {
        stage: Some(Stage::Pleadings),
        speakers: &[Role::Prosecutor, Role::Plaintiff, Role::Representative],
    },
    Scene {
        stage: None,
        speakers: &[Role::DefenceCounsel, Role::Respondent],
    },
    Scene {
        stage: Some(Stage::LastWord),
        speakers: &[Role::Defendant, Role::Respondent],
    },
    Scene {
        stage: Some(Stage::DecisionAnnounced),
        speakers: &[Role::Judge],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_in_a_scene_may_send_sound() {
        for scene in SCENES {
            assert!(!scene.speakers.is_empty());
            assert!(
                scene.speakers.iter().all(|role| role.publishes()),
                "{scene:?}"
            );
        }
    }
}
