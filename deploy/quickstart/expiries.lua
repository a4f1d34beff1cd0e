-- How many keys expire, and a sum over when: equal only if every expiry came back to the millisecond.
local count, sum = 0, 0
for _, key in ipairs(redis.call('KEYS', '*')) do
  local at = redis.call('PEXPIRETIME', key)
  if at >= 0 then
    count = count + 1
    sum = sum + at % 1000000007  -- keeps the sum exact in a double
  end
end
return {count, string.format('%.0f', sum)}
