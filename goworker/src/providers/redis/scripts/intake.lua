-- How jobs come in. Each is four texts: id, type, OPTIONS, JSON. OPTIONS is empty for most, else `PRIORITY START EXPIRES`, and for a unique
-- job ` MODE WINDOW KEY` after it. START is `@MS` for an instant, `+MS` for a delay; MODE is `reject`, `replace` or `keep_last`; `-` is nothing.

local lowest = {} -- by type, the lowest priority that is known

local function know_type(type, priority)
  local known = lowest[type] or tonumber(call('HGET', prefix .. 'types', type) or nil)
  if not known then
    call('SETNX', prefix .. 'layout', 1)
    call('RPUSH', prefix .. 'wake', 1) -- who waits for any type does not know this one
    call('LTRIM', prefix .. 'wake', 0, 0)
  end
  if not known or known > priority then
    known = math.min(priority, 0)
    call('HSET', prefix .. 'types', type, known)
  end
  lowest[type] = known
end

-- A job that is not as usual: `others` are stored with all others, a unique one at once, as it may be in the way of the next.
local function read_options(id, type, options, json, ticket)
  local priority, start, expires, rest = string.match(options, '^(%S+) (%S+) (%S+)(.*)$')
  local kind, ms = string.match(start or '-', '^([@+])(.+)$')
  local due = math.max(kind == '+' and now + tonumber(ms) or tonumber(ms or nil) or now, now)
  know_type(type, tonumber(priority or 0))
  local record = string.format('%d %d %s %s %s o %d %s', ticket, now, due > now and int(due) or '-', priority or '0', expires or '-', #type, type)
  local mode, window, key = string.match(rest or '', '^ (%S+) (%S+) (.*)$')
  return record .. json, key and { mode = mode, window = tonumber(window), key = key }
end

-- Whether a job that is known is the same.
function intake.is_same(id, record, json)
  local job = jobs.parse(id, record)
  local body = string.sub(record, job.body)
  return body == (job.has_moved and redis.sha1hex(json) or json)
end

local function put_new(id, record)
  local job = jobs.parse(id, record)
  job.past = jobs.parse_past(nil)
  if job.due > now then
    jobs.put_due(job, job.due)
  else
    jobs.put_ready(job)
  end
  return job
end

-- How a unique job comes in: the job that is cancelled for it, with its state; whether it follows the holder; when it may start; or, alone,
-- the id of the holder, which is in the way.
local function entrance(wish)
  local holder, state, ends, earliest = unique.holder_of(wish.key)
  local waits, keeps_last = state == 'scheduled' or state == 'ready', wish.mode == 'keep_last'
  local follower = holder and keeps_last and call('HGET', prefix .. 'next', wish.key)
  if not holder then
    return {}
  elseif follower then
    return { replaced = jobs.load(follower), state = 'scheduled', follows = true }
  elseif waits and wish.mode ~= 'reject' then
    return { replaced = holder, state = state, earliest = earliest }
  elseif keeps_last and state == 'running' then
    return { follows = true }
  elseif keeps_last then
    return { earliest = ends }
  end
  return { holder = holder.id }
end

-- Stores a unique job, unless another one is in the way. Answers its letter.
local function accept_unique(id, record, wish)
  local way = entrance(wish)
  if way.holder then
    return 'H' .. way.holder .. ';'
  end
  if way.replaced then
    jobs.leave_waiting(way.replaced, way.state)
    jobs.end_as(way.replaced, 'cancelled')
  end
  if way.earliest and way.earliest > jobs.parse(id, record).due then
    record = string.gsub(record, '^(%d+ %d+) %S+', '%1 ' .. int(way.earliest), 1)
  end
  call('HSET', prefix .. 'jobs', id, record)
  if way.follows then
    local job = jobs.parse(id, record)
    job.past = jobs.parse_past(nil)
    unique.follow(wish.key, job, wish.window)
  else
    unique.hold(wish.key, put_new(id, record), wish.window, way.earliest)
  end
  return way.replaced and 'R' .. way.replaced.id .. ';' or 'C'
end

-- Takes in those of `number` jobs in ARGV from `from` on that are new. Answers a letter for each: Created, Exists, or conFlict; Held and
-- Replaced with an id and `;`.
function intake.accept(from, number)
  local ids = {}
  for n = 1, number do
    ids[n] = ARGV[from + 4 * n - 4]
  end
  local known = number > 0 and call('HMGET', prefix .. 'jobs', unpack(ids)) or {}
  local ticket = call('INCRBY', prefix .. 'ticket', number) - number
  local answers, records, lists, others, seen, heads = {}, {}, {}, {}, {}, {}
  for n = 1, number do
    local id, type, options, json = ids[n], ARGV[from + 4 * n - 3], ARGV[from + 4 * n - 2], ARGV[from + 4 * n - 1]
    local record, wish = known[n] or seen[id], nil
    if record then
      answers[n] = intake.is_same(id, record, json) and 'E' or 'F'
    else
      ticket = ticket + 1
      if options == '' and not is_passed_over(type, id) then
        if not heads[type] then
          know_type(type, 0)
          heads[type] = string.format(' %d - 0 - l %d %s', now, #type, type)
          lists[type] = {}
        end
        record = int(ticket) .. heads[type] .. json
        lists[type][#lists[type] + 1] = id
      else
        record, wish = read_options(id, type, options, json, ticket)
        if not wish then
          others[#others + 1] = id
        end
      end
      if wish then
        answers[n] = accept_unique(id, record, wish)
      else
        answers[n] = 'C'
        records[#records + 1], records[#records + 2] = id, record
      end
      if string.sub(answers[n], 1, 1) ~= 'H' then
        seen[id] = record
      end
    end
  end
  if #records > 0 then
    call('HSET', prefix .. 'jobs', unpack(records))
  end
  for type, list in pairs(lists) do
    call('RPUSH', prefix .. 'list:' .. type, unpack(list))
    wake(type)
  end
  for _, id in ipairs(others) do
    put_new(id, seen[id])
  end
  return table.concat(answers)
end
