-- A call that writes may be repeated after its answer was lost. It belongs to a lane, which has one call under way at a time, and each has
-- a turn of its own: the last one is remembered with its answer. So a repetition changes nothing and is answered the same.

local lane, turn = prefix .. 'call:' .. ARGV[1], tonumber(ARGV[2])
local answered
do
  local last = call('GET', lane)
  if last then
    local at, answer = string.match(last, '^(%d+) (.*)$')
    if tonumber(at) > turn then
      return redis.error_reply('STALE this call was overtaken by a later one of its lane')
    elseif tonumber(at) == turn then
      answered = answer
    end
  end
end

-- How long a call may be repeated for, in ms.
local REPEATED_FOR = 3600000

local function answer(text)
  call('SET', lane, int(turn) .. ' ' .. text, 'PX', REPEATED_FOR)
end
