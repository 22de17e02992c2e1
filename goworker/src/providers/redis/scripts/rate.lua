-- No more than so many jobs start in any stretch of time: `rate` has those of the last one, FIRST, LAST, JOBS, again and again (MessagePack).
-- What starts within a hundredth of the stretch counts as started together, at the latest of its instants.

local starts = {}

-- How many jobs may start now: `jobs` in `window` (ms), less those that have started lately.
function rate.allowed(jobs, window)
  local packed = call('GET', prefix .. 'rate')
  local known = packed and cmsgpack.unpack(packed) or {}
  for at = 1, #known, 3 do
    -- If the clock was set back, nothing counts longer than it would have.
    local first, last = math.min(known[at], now), math.min(known[at + 1], now)
    if last > now - window then
      starts[#starts + 1], starts[#starts + 2], starts[#starts + 3] = first, last, known[at + 2]
      jobs = jobs - known[at + 2]
    end
  end
  return math.max(jobs, 0)
end

-- In how many ms more jobs may start than now.
function rate.opens_in(window)
  return starts[2] + window - now
end

-- Notes that so many jobs start.
function rate.note_started(window, number)
  local newest = #starts - 2
  if newest > 0 and starts[newest] > now - math.max(math.floor(window / 100), 1) then
    starts[newest + 1], starts[newest + 2] = now, starts[newest + 2] + number
  else
    starts[#starts + 1], starts[#starts + 2], starts[#starts + 3] = now, now, number
  end
  call('SET', prefix .. 'rate', cmsgpack.pack(starts), 'PX', int(window))
end
