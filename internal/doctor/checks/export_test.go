package checks

// JudgeSpeed is judgeSpeed.
var JudgeSpeed = judgeSpeed
