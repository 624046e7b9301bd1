-- Stores one notification, and removes the oldest entries beyond the limits of age, number and size.
-- KEYS: log, meta, key. ARGV: a new epoch, topic, kind ("b" or ""), payload, most messages, most bytes, most
-- milliseconds (0: without limit), for how many milliseconds the key is kept, and the publisher's seat or ''. The
-- field and the value of each header follow.
-- Returns: epoch, seq, and 1 if the key was there already.
local log, meta, key = KEYS[1], KEYS[2], KEYS[3]
local epoch = redis.call('HGET', meta, 'epoch')
-- The value of a key is EPOCH SEQ. A key of another epoch is unknown.
local known_epoch, known_seq = string.match(redis.call('GET', key) or '', '^(%w+) (%d+)$')
if epoch and known_epoch == epoch then return {epoch, known_seq, 1} end

if not epoch then
  -- A log without its meta continues after its last entry.
  epoch = ARGV[1]
  local last = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
  local seq = last and string.match(last[1], '^%d+') or '0'
  redis.call('HSET', meta, 'epoch', epoch, 'seq', seq, 'base', seq, 'bytes', 0, 'known', epoch)
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- About what an entry costs Redis besides topic, payload and headers, in bytes.
local ENTRY = 64
local seq = redis.call('HINCRBY', meta, 'seq', 1)
local id = string.format('%.0f-0', seq)
local stamp = string.format('%.0f', now)
local entry = {'XADD', log, id, 'e', epoch, 'm', stamp, 't', ARGV[2], 'p', ARGV[4]}
local function add(name, value)
  if value ~= '' then
    entry[#entry + 1] = name
    entry[#entry + 1] = value
  end
end
add('k', ARGV[3])
add('s', ARGV[9])
local size = #ARGV[2] + #ARGV[4] + ENTRY
for index = 10, #ARGV, 2 do
  add(ARGV[index], ARGV[index + 1])
  size = size + #ARGV[index + 1]
end
redis.call(unpack(entry))
redis.call('SET', key, epoch .. ' ' .. string.format('%.0f', seq), 'PX', ARGV[8])

local count = redis.call('XLEN', log)
if count == 1 then
  redis.call('HSET', meta, 'bytes', size, 'oldest', stamp)
  return {epoch, string.format('%.0f', seq), 0}
end
local bytes = redis.call('HINCRBY', meta, 'bytes', size)
local oldest = tonumber(redis.call('HGET', meta, 'oldest') or '0')
local most_count, most_bytes, most_age = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])

-- The fields whose bytes are counted: those that the publisher sets.
local COUNTED = {t = true, p = true, n = true, c = true, w = true, tp = true, ts = true}
-- A few at a time, so that no append takes long; more than one, so that the stream shrinks to its limits.
for _ = 1, 16 do
  local over = (most_count > 0 and count > most_count) or (most_bytes > 0 and bytes > most_bytes)
    or (most_age > 0 and oldest < now - most_age)
  if not over or count <= 1 then break end
  local pair = redis.call('XRANGE', log, '-', '+', 'COUNT', 2)
  local gone = ENTRY
  for index = 1, #pair[1][2], 2 do
    local name, value = pair[1][2][index], pair[1][2][index + 1]
    if COUNTED[name] then gone = gone + #value end
  end
  redis.call('XDEL', log, pair[1][1])
  count = count - 1
  bytes = redis.call('HINCRBY', meta, 'bytes', -gone)
  oldest = now
  for index = 1, #pair[2][2], 2 do
    if pair[2][2][index] == 'm' then oldest = tonumber(pair[2][2][index + 1]) or now end
  end
  redis.call('HSET', meta, 'oldest', string.format('%.0f', oldest))
end
return {epoch, string.format('%.0f', seq), 0}
