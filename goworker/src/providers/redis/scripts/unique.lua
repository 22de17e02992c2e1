-- Who holds which key of unique jobs: `unique` has `TICKET UNTIL ID` of the job that took it last, `keys` has `WINDOW KEY` of each unique job.
-- Whether it still holds the key follows from where it is: nothing is done when a job ends, so no key can be left behind.

-- The window and the key of a job; nothing if it is not unique.
local function key_of(id)
  local text = call('HGET', prefix .. 'keys', id)
  if text then
    local window, key = string.match(text, '^(%S+) (.*)$')
    return tonumber(window), key
  end
end

-- The job that holds a key now, unless it is `own`, and its state. One that is forgotten, and whose window lasts, is an id only.
local function holder_of(key, own)
  local text = call('HGET', prefix .. 'unique', key)
  if not text then
    return nil
  end
  local ticket, ends, id = string.match(text, '^(%d+) (%S+) (.+)$')
  ticket, ends = tonumber(ticket), tonumber(ends)
  if own and own.id == id and own.ticket == ticket then
    return nil
  end
  local lasts = ends and now < ends
  local job = load(id)
  if job and job.ticket == ticket then
    local state = state_of(job)
    if lasts or state == 'scheduled' or state == 'ready' or state == 'running' then
      return job, state
    end
  elseif lasts then
    return { id = id }
  end
end

-- Gives a key to a job.
local function hold(key, job, window)
  local ends = window and job.enqueued + window
  call('HSET', prefix .. 'unique', key, int(job.ticket) .. ' ' .. (ends and int(ends) or '-') .. ' ' .. job.id)
  call('HSET', prefix .. 'keys', job.id, (window and int(window) or '-') .. ' ' .. key)
  if ends then
    call('ZADD', prefix .. 'windows', int(ends), key)
  end
end

-- Takes the key from a job, if it has it.
local function free_key(job)
  local _, key = key_of(job.id)
  local text = key and call('HGET', prefix .. 'unique', key)
  if text and string.match(text, '^%d+') == int(job.ticket) then
    call('HDEL', prefix .. 'unique', key)
    call('ZREM', prefix .. 'windows', key)
  end
end

-- Forgets jobs, but for the windows that last.
local function forget_keys(ids)
  if call('EXISTS', prefix .. 'keys') == 0 then
    return
  end
  for _, id in ipairs(ids) do
    local job = load(id)
    local _, key = key_of(id)
    local text = job and key and call('HGET', prefix .. 'unique', key)
    if text then
      local ticket, ends = string.match(text, '^(%d+) (%S+) ')
      if ticket == int(job.ticket) and not (tonumber(ends) and now < tonumber(ends)) then
        free_key(job)
      end
    end
  end
  call('HDEL', prefix .. 'keys', unpack(ids))
end

-- Forgets windows that are over, of jobs that are forgotten; the others' keys go with them. Whether there are more.
local function end_windows(most)
  local over = call('ZRANGEBYSCORE', prefix .. 'windows', '-inf', int(now), 'LIMIT', 0, most)
  for _, key in ipairs(over) do
    call('ZREM', prefix .. 'windows', key)
    local text = call('HGET', prefix .. 'unique', key)
    local ticket, id = string.match(text or '', '^(%d+) %S+ (.+)$')
    local job = id and load(id)
    if text and not (job and int(job.ticket) == ticket) then
      call('HDEL', prefix .. 'unique', key)
    end
  end
  return #over == most
end
