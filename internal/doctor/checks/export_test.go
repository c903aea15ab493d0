package checks

// JudgeSpeed is judgeSpeed.
var JudgeSpeed = judgeSpeed

// UnwritableRemedy is unwritableRemedy.
var UnwritableRemedy = unwritableRemedy
