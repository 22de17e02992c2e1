-- Takes note of what became of deliveries. Own arguments, one group after the other, each with the token and a position in its batch:
--   done TOKEN COUNT POSITION..                  without output; the positions are different ones
--   output TOKEN POSITION OUTPUT
--   retry TOKEN POSITION MS CHARGED ATTEMPT      CHARGED is 1 or 0, ATTEMPT may be empty
--   dead TOKEN POSITION FAILURE ATTEMPT COUNT    and COUNT handler jobs, as in accept.lua
--   cancelled TOKEN POSITION
--   release TOKEN POSITION
-- Answers which settlements are refused, counted from 0 in the order of the arguments.
if answered then
  return cmsgpack.unpack(answered)
end
-- A server that is out of memory refuses a script that begins by writing more. What is settled must be taken all the same.
call('DEL', prefix .. 'call:')
lose_leases()

local batches, touched, refused, number = {}, {}, {}, 0

local function batch_of(token)
  if batches[token] == nil then
    local packed = call('HGET', prefix .. 'batch', token)
    batches[token] = packed and cmsgpack.unpack(packed) or false
  end
  return batches[token]
end

-- Of which type the job at a position of a batch is.
local function type_at(batch, position)
  local types = batch[2]
  for pair = 1, #types, 2 do
    position = position - types[pair + 1]
    if position < 0 then
      return types[pair]
    end
  end
end

-- The id at a position that is settled by this, unless that is refused.
local function settle(token, position)
  number = number + 1
  local batch = batch_of(token)
  local id = batch and batch[3][position + 1]
  if not id or call('SADD', prefix .. 'settled:' .. token, int(position)) == 0 then
    refused[#refused + 1] = number - 1
    return nil
  end
  touched[token] = true
  return id
end

local function are_all(positions, batch)
  local most = 0
  for _, position in ipairs(positions) do
    most = math.max(most, position + 1)
  end
  return #positions == #batch[3] and most == #batch[3]
end

-- The whole batch at once: nothing is done job by job.
local function settle_whole(token, batch)
  number = number + #batch[3]
  batches[token] = false
  close_batch(token)
  list_batch('done', batch[2], batch[3])
  if call('EXISTS', prefix .. 'asked') == 1 then
    call('SREM', prefix .. 'asked', unpack(batch[3]))
  end
end

local function settle_done(token, positions)
  local batch, key = batch_of(token), prefix .. 'settled:' .. token
  if batch and are_all(positions, batch) and call('EXISTS', key) == 0 then
    return settle_whole(token, batch)
  end
  local settled = batch and call('SMISMEMBER', key, unpack(positions)) or {}
  local fresh = {}
  for index, position in ipairs(positions) do
    local id = batch and settled[index] == 0 and batch[3][position + 1]
    if id then
      fresh[#fresh + 1] = position
      list_ended('done', type_at(batch, position), id)
      if is_asked(id) then
        call('SREM', prefix .. 'asked', id)
      end
    else
      refused[#refused + 1] = number
    end
    number = number + 1
  end
  if #fresh > 0 then
    call('SADD', key, unpack(fresh))
    touched[token] = true
  end
end

-- Charges an attempt that did not succeed.
local function charge(job, attempt)
  if attempt ~= '' then
    call('RPUSH', prefix .. 'attempts:' .. job.id, attempt)
    job.past.attempts = job.past.attempts + 1
  end
end

local function schedule_again(job, due)
  if is_asked(job.id) then
    return end_as(job, 'cancelled')
  end
  job.past.score, job.past.ticket = due - job.priority * STEP, next_ticket()
  remember(job)
  if due > now then
    put_due(job, due)
  else
    put_ready(job)
  end
end

local at = OWN
while at <= #ARGV do
  local ending, token = ARGV[at], ARGV[at + 1]
  if ending == 'done' then
    local positions = {}
    for index = at + 3, at + 2 + ARGV[at + 2] do
      positions[#positions + 1] = tonumber(ARGV[index])
    end
    settle_done(token, positions)
    at = at + 3 + #positions
  else
    local id = settle(token, tonumber(ARGV[at + 2]))
    local job = id and load(id)
    at = at + 3
    if ending == 'output' then
      if job then
        call('HSET', prefix .. 'output', id, ARGV[at])
        end_as(job, 'done')
      end
      at = at + 1
    elseif ending == 'retry' then
      if job then
        if ARGV[at + 1] == '1' then
          charge(job, ARGV[at + 2])
        end
        schedule_again(job, now + tonumber(ARGV[at]))
      end
      at = at + 3
    elseif ending == 'dead' then
      local handlers = tonumber(ARGV[at + 2])
      if job then
        charge(job, ARGV[at + 1])
        die(job, ARGV[at])
        if handlers > 0 then
          accept(at + 3, handlers)
        end
      end
      at = at + 3 + 4 * handlers
    elseif job then
      if ending == 'cancelled' then
        end_as(job, 'cancelled')
      else
        put_back(job)
      end
    end
  end
end

for token in pairs(touched) do
  if call('SCARD', prefix .. 'settled:' .. token) == #batches[token][3] then
    close_batch(token)
  end
end
write_down()
answer(cmsgpack.pack(refused))
return refused
