package simulation

// bug is a mistake planted in the database or in how it is used. The simulation is worth something if it finds each.
type bug string

const (
	noBug bug = ""

	// The log.
	conditionBeforeLock bug = "an append's condition is checked before the log is locked"
	versionBeforeLock   bug = "an append's stream version is checked before the log is locked"
	versionUnchecked    bug = "an append's stream version is not checked"
	commandForgotten    bug = "command ids are not remembered"
	lateAppendAccepted  bug = "an append that was given up is carried out all the same"
	uncommittedVisible  bug = "events are visible before their commit"
	uncommittedSkipped  bug = "a page says it has searched positions whose commit is under way"
	pageWithHole        bug = "a page that a limit ends leaves an event out"
	lastOfStreamMissed  bug = "a read of a stream misses its last event"
	acknowledgedEarly   bug = "an append is acknowledged, then taken back"
	lossCalledFailure   bug = "an append whose reply was lost is reported to have failed"

	// Read models.
	checkpointAfterRows bug = "the checkpoint is written in a transaction after that of the rows"
	checkpointFirst     bug = "the checkpoint is written in a transaction ahead of that of the rows"
	rowsOverwritten     bug = "an update writes back rows of other segments as it found them"
	checkpointShared    bug = "segments share one checkpoint"

	// Dead letters, rebuilds, pauses.
	parkedLater              bug = "letters are written in a transaction after that of the checkpoint"
	handledStays             bug = "a letter that was handled is not removed"
	keysForgotten            bug = "a process does not learn which keys are parked when it starts"
	lettersReversed          bug = "the letters of a key come last one first"
	switchUnchecked          bug = "a switch does not look whether the live model has come further"
	switchWithoutCheckpoints bug = "a switch keeps the checkpoints of the old model"
	switchUnnoticed          bug = "a switch that leaves the checkpoint where it was goes unnoticed"
	switchKeepsLetters       bug = "a switch keeps the letters of the old model"
	switchDropsLetters       bug = "a switch drops the letters of the shadow, too"
	shadowParksLive          bug = "what a shadow parks is parked for the live model"
	pauseIgnored             bug = "a process does not see that a projection is paused"

	// Leases.
	fenceIgnored      bug = "a fence does not look at the epoch"
	fenceUnlocked     bug = "a fence does not keep the lease from changing hands"
	epochKept         bug = "a lease that changes hands keeps its epoch"
	runningLeaseTaken bug = "a claim takes a lease that runs"
	lostLeaseRenewed  bug = "a renewal takes back leases that were lost"
	anyLeaseReleased  bug = "a release frees a lease that somebody else has claimed since"

	// Snapshots and reactors.
	snapshotAhead     bug = "a snapshot says it stands further than it does"
	effectAfterCommit bug = "a reactor puts its effect off until after its checkpoint"
)

// bugs lists all that are planted.
func bugs() []bug {
	return []bug{
		conditionBeforeLock, versionBeforeLock, versionUnchecked, commandForgotten, lateAppendAccepted, uncommittedVisible, uncommittedSkipped,
		pageWithHole, lastOfStreamMissed, acknowledgedEarly, lossCalledFailure, checkpointAfterRows, checkpointFirst, rowsOverwritten,
		checkpointShared, parkedLater, handledStays, keysForgotten, lettersReversed, switchUnchecked, switchWithoutCheckpoints,
		switchUnnoticed, switchKeepsLetters, switchDropsLetters, shadowParksLive,
		pauseIgnored, fenceIgnored, fenceUnlocked, epochKept, runningLeaseTaken, lostLeaseRenewed, anyLeaseReleased, snapshotAhead,
		effectAfterCommit,
	}
}
